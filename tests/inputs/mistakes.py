"""Mistakes in settings file and inputs, by name: the file's text, and further inputs.

A file that begins with ``template:`` and the like is the content of environment ``prod``.
"""

SECTIONS = {
    # -- the file as a whole -------------------------------------------------------------------
    "no settings file": "services:\n  web:\n    image: nginx\n",
    "empty file": "",
    "list instead of a mapping": "- prod\n- dev\n",
    "environments misspelt": "enviroments:\n  prod:\n    bake: 1m\n",
    "environments missing": "defaults:\n  bake: 1m\n",
    "environments empty": "environments:\n",
    "environment of another name": "environments:\n  production: {}\n  dev: {}\n",
    "unknown top-level key": "default:\n  bake: 1m\nenvironments:\n  prod: {}\n",
    "settings at the top level": "bake: 1m\nenvironments:\n  prod: {}\n",
    "environment is a list": "environments:\n  prod: [bake]\n",
    "defaults is a text": "defaults: [bake]\nenvironments:\n  prod: {}\n",
    "extends unknown": "environments:\n  prod:\n    extends: bse\n  base: {}\n",
    "extends in a circle": "environments:\n  prod:\n    extends: dev\n  dev:\n    extends: prod\n",
    "extends a list": "environments:\n  prod:\n    extends: [dev]\n  dev: {}\n",
    "key twice": "environments:\n  prod:\n    bake: 1m\n    app: api\n    bake: 2m\n",
    "indented with a tab": "environments:\n  prod:\n\tbake: 1m\n",
    "star without quotes": "environments:\n  prod:\n    cache-patterns: [*:config]\n",
    "bracket not closed": "environments:\n  prod: [1,\n",
    "two documents": "environments:\n  prod: {}\n---\nenvironments: {}\n",
    "colon in a value": "environments:\n  prod:\n    smoke-test: echo a: b\n",
    # -- settings of one value -----------------------------------------------------------------
    "unknown setting": "trafic-steps: 10,100\n",
    "setting of another tool": "containerAppName: api\n",
    "setting that is not needed": "registryPassword: x\n",
    "underscore in a setting": "health_path: /health\n",
    "steps that fall": "traffic-steps: 50,10\n",
    "duration without a number": "bake: soon\n",
    "number out of range": "keep-revisions: 0\n",
    "boolean in words": "cache-required: sure\n",
    "unknown choice": "builder: dockr\n",
    "block instead of a value": "bake:\n  long: 5m\n",
    "path without a slash": "health-path: health\n",
    "several mistakes at once": "bake: long\nbuilder: kaniko\nkeep-revisions: many\n",
    # -- template ------------------------------------------------------------------------------
    "template is a text": "template: app.yaml\n",
    "template with an unknown key": "template:\n  resource: {cpu: 1}\n",
    "cpu in millicores": "template:\n  resources: {cpu: 500m}\n",
    "memory in Mi": "template:\n  resources: {memory: 512Mi}\n",
    "resources with a limit": "template:\n  resources:\n    limits: {cpu: 1}\n",
    "scale in Azure's words": "template:\n  scale:\n    minReplicas: 2\n",
    "min above max": "template:\n  scale:\n    min: 5\n    max: 2\n",
    "max of zero": "template:\n  scale: {max: 0}\n",
    "cpu rule above 100": "template:\n  scale: {cpu: 170}\n",
    "http rule of zero": "template:\n  scale: {http: 0}\n",
    "office hours without a zone": "template:\n  scale:\n    office-hours: {days: mon-fri}\n",
    "unknown time zone": "template:\n  scale:\n    office-hours: {time-zone: Europe/Berln}\n",
    "hours backwards": (
        "template:\n  scale:\n    office-hours:\n      time-zone: UTC\n      hours: 18:00-08:00\n"
    ),
    "unknown day": (
        "template:\n  scale:\n    office-hours:\n      time-zone: UTC\n      days: mo-fr\n"
    ),
    "rule without a name": "template:\n  scale:\n    rules:\n      - custom: {type: cpu}\n",
    "rule of two kinds": "template:\n  scale:\n    rules:\n      a: {http: {}, tcp: {}}\n",
    "custom rule without a type": "template:\n  scale:\n    rules:\n      q: {custom: {}}\n",
    "unknown probe": "template:\n  probes: {ready: /health/ready}\n",
    "probe without a slash": "template:\n  probes: {liveness: health}\n",
    "probe with a long period": (
        "template:\n  probes:\n    liveness: {path: /health, period: 5m}\n"
    ),
    "probe with many failures": "template:\n  probes:\n    startup: {tcp: 80, failures: 240}\n",
    "probe of two kinds": "template:\n  probes:\n    startup: {tcp: 80, path: /health}\n",
    "liveness with successes": "template:\n  probes:\n    liveness: {path: /, successes: 2}\n",
    "variable with a list": "template:\n  env:\n    HOSTS: [a, b]\n",
    "variable with a space": "template:\n  env:\n    MY NAME: a\n",
    "reserved variable": "template:\n  env:\n    DEPLOY_ACTION_VERSION: 1.0\n",
    "probe in Azure's words": (
        "template:\n  probes:\n    startup: {tcp: 80, initialDelaySeconds: 5}\n"
    ),
    "variable with secretRef": "template:\n  env:\n    TOKEN: {secretRef: token}\n",
    "secret in capitals": "template:\n  env:\n    TOKEN: {secret: TOKEN}\n",
    "command as a text": "template:\n  command: python -m app\n",
    "volume without a type": "template:\n  volumes:\n    data: {storage: share}\n",
    "volume of an unknown type": "template:\n  volumes:\n    data: {type: AzureFile}\n",
    "file share without storage": "template:\n  volumes:\n    data: {type: azure-file}\n",
    "mount with a colon": "template:\n  mounts:\n    data: C:/data\n",
    "grace in minutes": "template:\n  termination-grace: 90m\n",
    # -- containers ----------------------------------------------------------------------------
    "containers as a list": "containers:\n  - name: proxy\n",
    "container in capitals": "containers:\n  Proxy: {image: envoy}\n",
    "image with a space": "containers:\n  proxy: {image: envoy latest}\n",
    "init container with probes": (
        "containers:\n  migrate: {image: same, init: true, probes: {liveness: /}}\n"
    ),
    "init in words": "containers:\n  migrate: {image: same, init: 'yes'}\n",
    # -- secrets and tags ----------------------------------------------------------------------
    "secret in the file": "secrets:\n  token: hunter2\n",
    "secret from an empty variable": "secrets:\n  token: ${NOT_SET}\n",
    "secret setting in the file": "cache-url: rediss://:hunter2@redis:6380\n",
    "secret with a bad name": "secrets:\n  my_token: keyvault:vault/token\n",
    "vault URL of another host": (
        "secrets:\n  token: {key-vault: 'https://vault.example.com/secrets/token'}\n"
    ),
    "vault secret with underscore": (
        "secrets:\n  token: {key-vault: 'https://vault.vault.azure.net/secrets/my_token'}\n"
    ),
    "identity by name": (
        "secrets:\n  token: {key-vault: 'keyvault:vault/token', identity: reader}\n"
    ),
    # -- creating the app ----------------------------------------------------------------------
    "identities by name": "identities: [system, reader]\n",
    "registry identity by name": "registry-identity: puller\n",
    "ingress with an unknown protocol": "ingress-transport: http3\n",
    "working directory in the file": "working-directory: apps/api\n",
    "tag with a slash": "tags:\n  team/name: a\n",
    "tag twice in other case": "tags:\n  Team: a\n  team: b\n",
    "reserved tag": "tags:\n  deploy-action.run: 1\n",
    "tag that is too long": f"tags:\n  note: {'x' * 257}\n",
    "tag with a list": "tags:\n  teams: [a, b]\n",
}

INPUTS: dict[str, dict[str, str]] = {
    "inline settings that are a list": {"settings": "- bake"},
    "inline setting unknown": {"settings": "bakee: 5m"},
    "inline secret": {"settings": "secrets:\n  token: hunter2"},
    "variable without equals": {"env": "LOG_LEVEL"},
    "variable twice": {"env": "A=1\nA=2"},
    "variable with a bad secret": {"env": "A=secretref:MY_SECRET"},
    "secret line without a value": {"secrets": "token="},
    "secret line with a bad name": {"secrets": "TOKEN=hunter2"},
    "secret line with a bad URL": {"secrets": "token=keyvaultref:https://example.com/token"},
    "secret line with a bad identity": {
        "secrets": "token=keyvaultref:https://vault.vault.azure.net/secrets/t,identityref:me"
    },
    "unknown environment": {"environment": "staging"},
    "settings file missing": {"settings_file": "deploy.yml"},
    "no app": {"app": ""},
    "no registry": {"registry": ""},
    "image and tag": {"image": "nginx:1", "image_tag": "v1"},
    "client without tenant": {"client_id": "00000000-0000-0000-0000-000000000000"},
    "subscription by name": {"subscription_id": "production"},
    "context outside of the checkout": {"context": "../other"},
    "working directory that does not exist": {"working_directory": "apps/api"},
    "comment in words": {"comment": "always"},
    "setting given as an input": {"bake": "5m"},
    "command unknown": {"command": "deplyo"},
}
