"""Names that other tools use for our settings, so that an error can name ours.

Source: the inputs of Azure/container-apps-deploy-action (its README), and variables that public
workflows use.
"""

ALIASES = {
    "containerappname": "app",
    "container-app-name": "app",
    "name": "app",
    "resourcegroup": "resource-group",
    "containerappenvironment": "managed-environment",
    "acrname": "registry",
    "acr-name": "registry",
    "acr-login-server": "registry",
    "registryurl": "registry",
    "imagetodeploy": "image",
    "image-name": "repository",
    "imagetobuild": "repository",
    "dockerfilepath": "dockerfile",
    "file": "dockerfile",
    "appsourcepath": "context",
    "buildarguments": "build-args",
    "targetport": "target-port",
    "environmentvariables": "env",
    "env-vars": "env",
    "set-env-vars": "env",
    "yamlconfigpath": "template",
    "minreplicas": "template.scale.min",
    "min-replicas": "template.scale.min",
    "maxreplicas": "template.scale.max",
    "max-replicas": "template.scale.max",
    "revision-suffix": "",
    "registryusername": "",
    "registrypassword": "",
    "acrusername": "",
    "acrpassword": "",
    "azurecredentials": "client-id",
    "creds": "client-id",
    "shield": "stale-pages",
}


def name_of_alias(name: str) -> str | None:
    """Return our name for *name*, an empty text if nothing of ours corresponds, or None."""
    return ALIASES.get(name.lower().replace("_", "-"))
