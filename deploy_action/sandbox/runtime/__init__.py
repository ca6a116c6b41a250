"""Where replicas run: ordinary processes, or containers of a Docker engine.

`ProcessRuntime(directory=…, images=registry)`, `DockerRuntime(images=registry, environment=…)`.
"""
