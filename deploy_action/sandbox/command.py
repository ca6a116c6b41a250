"""The sandbox's commands: run a local Azure, or run the demonstration."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # imported only when a sandbox starts
    from deploy_action.sandbox.server import Options


class _Pace(click.ParamType[float]):
    """``instant``, ``real`` or a number of real seconds for one of Azure's."""

    name = "instant|real|FACTOR"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        from deploy_action.sandbox.world.clock import INSTANT, REAL  # noqa: PLC0415  as above

        named = {"instant": INSTANT, "real": REAL}
        text = str(value)
        if text in named:
            return named[text]
        with contextlib.suppress(ValueError):
            if 0 <= float(text) < float("inf"):
                return float(text)
        raise click.BadParameter(
            f"'{text}' is neither 'instant' nor 'real' nor a number like 0.1.", ctx, param
        )


@click.group()
def sandbox() -> None:
    """Run a local Azure. Needs no account and no Docker.

    Real clients reach it through a proxy and its own certificate authority, at Azure's own
    addresses. deploy_action/sandbox/DIFFERENCES.md lists the differences from Azure.
    """


@sandbox.command()
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the environment variables for clients to this file once the sandbox is ready.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    help="New folder for its files, deleted on exit. [default: a temporary folder]",
)
@click.option(
    "--clock",
    type=_Pace(),
    default="instant",
    show_default=True,
    help="Duration of Azure operations: instant, as recorded (real), or the recorded time times a "
    "factor.",
)
@click.option(
    "--retry-after",
    type=click.IntRange(min=1),
    help="Retry-After of polling responses, in seconds. [default: 15 as in Azure, scaled, at "
    "least 1]",
)
@click.option(
    "--metrics-lag",
    type=click.FloatRange(min=0),
    default=90.0,
    show_default=True,
    help="Delay of Azure Monitor's metrics, in seconds of the sandbox's clock.",
)
@click.option(
    "--location-only",
    is_flag=True,
    help="Return only the Location header, not Azure-AsyncOperation, as Azure did until 2024.",
)
@click.option(
    "--silent-suffix",
    is_flag=True,
    help="Silently ignore a deployment whose revision suffix is taken, as Azure did in 2023.",
)
@click.option(
    "--registry",
    type=click.Choice(["embedded", "debian"]),
    default="embedded",
    show_default=True,
    help="Registry backend: the embedded one, or Debian's docker-registry.",
)
@click.option(
    "--replicas",
    type=click.Choice(["processes", "containers"]),
    default="processes",
    show_default=True,
    help="Run replicas as processes, or as containers of the Docker engine of DOCKER_HOST.",
)
@click.option(
    "--strict-images",
    is_flag=True,
    help="Reject images from public registries. By default, a placeholder HTTP server runs "
    "instead.",
)
@click.option(
    "--faults",
    "faults_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML or JSON list of faults to inject; see sandbox/faults.py.",
)
@click.option(
    "--let-through",
    is_flag=True,
    help="Forward requests to other hosts, without inspection. By default they are rejected.",
)
@click.option("--until-stdin-closes", is_flag=True, help="Also stop when stdin is closed.")
def up(  # noqa: PLR0917  options of one command
    env_file: Path | None,
    directory: Path | None,
    clock: float,
    retry_after: int | None,
    metrics_lag: float,
    location_only: bool,
    silent_suffix: bool,
    registry: str,
    replicas: str,
    strict_images: bool,
    faults_file: Path | None,
    let_through: bool,
    until_stdin_closes: bool,
) -> None:
    """Run a local Azure until SIGTERM or Ctrl-C.

    Example: python -m deploy_action sandbox up --env-file sandbox.env
    """
    from deploy_action.sandbox.faults import read_faults  # noqa: PLC0415  help needs none of it
    from deploy_action.sandbox.server import Options  # noqa: PLC0415

    try:
        faults = read_faults(faults_file) if faults_file else []
    except ValueError as error:
        raise click.BadParameter(f"{faults_file}: {error}", param_hint="--faults") from None
    with contextlib.ExitStack() as stack:
        if directory is None:
            made = tempfile.TemporaryDirectory(prefix="local-azure-")
            directory = Path(stack.enter_context(made)) / "azure"
        options = Options(
            directory=directory.absolute(),
            factor=clock,
            retry_after_s=retry_after,
            metrics_lag_s=metrics_lag,
            status_url=not location_only,
            silent_suffix=silent_suffix,
            faults=faults,
            let_through=let_through,
            debian_registry=registry == "debian",
            replicas=replicas,
            strict_images=strict_images,
        )
        try:
            asyncio.run(_run(options, env_file, until_stdin_closes=until_stdin_closes))
        except FileExistsError:
            raise click.ClickException(
                f"--directory '{directory}' already exists; specify a new folder."
            ) from None
        except RuntimeError as error:
            raise click.ClickException(f"The local Azure could not start: {error}") from None
        finally:
            if env_file:
                env_file.unlink(missing_ok=True)


async def _run(options: Options, env_file: Path | None, *, until_stdin_closes: bool) -> None:
    from deploy_action.sandbox.server import running, write_environment  # noqa: PLC0415

    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, over.set)
    if until_stdin_closes:
        loop.add_reader(sys.stdin.fileno(), _stop_at_eof, over)
    async with running(options) as environment:
        if env_file:
            write_environment(env_file, environment)
        click.echo(f"ready: proxy {environment['HTTPS_PROXY']} serves Azure's host names")
        await over.wait()
    click.echo("stopped")


def _stop_at_eof(over: asyncio.Event) -> None:
    """Stop the sandbox when stdin is closed."""
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        over.set()


@sandbox.command()
@click.option(
    "--break", "broken", is_flag=True, help="Deploy a version that fails its health checks."
)
@click.option(
    "--outage",
    "named",
    metavar="NAME",
    help="Simulate an outage; 'list' shows the available names.",
)
@click.option(
    "--page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the live page to this file, with the job summary as GitHub shows it.",
)
@click.option("--verbose", is_flag=True, help="Also show the build log and the summary's Markdown.")
def demo(*, broken: bool, named: str | None, page: Path | None, verbose: bool) -> None:
    """Run a deployment in the sandbox and verify the result independently.

    Example: python -m deploy_action sandbox demo --outage throttled
    """
    from deploy_action.sandbox.demo import demo as play  # noqa: PLC0415  help needs none of it
    from deploy_action.sandbox.outage import names, outage  # noqa: PLC0415  as above

    if named == "list":
        for name in names():
            click.echo(f"{name:<16} {outage(name).about}")
        return
    if named and named not in names():
        raise click.BadParameter(
            f"'{named}' is not one of {', '.join(names())}.", param_hint="--outage"
        )
    if named and broken:
        raise click.UsageError("--break and --outage cannot be combined.")
    chosen = outage(named) if named else None
    sys.exit(play(broken=broken, outage=chosen, page=page, verbose=verbose))
