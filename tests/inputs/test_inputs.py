"""Valid inputs, and the error messages for invalid ones."""

from pathlib import Path

import pytest
import yaml

from deploy_action.core.settings.choices import BuilderKind, Moment
from deploy_action.core.settings.schema import Settings, setting_specs
from deploy_action.errors import InputError
from deploy_action.inputs.environment import load

ENOUGH = {"INPUT_APP": "api", "INPUT_RESOURCE_GROUP": "rg", "INPUT_REGISTRY": "contoso"}


INPUTS = {spec.name for spec in setting_specs() if spec.is_input}


def loaded(workspace: Path, **inputs: str) -> Settings:
    """Load settings that are given as inputs, or inline where there is no such input."""
    named = {name.replace("_", "-").lower(): text for name, text in inputs.items()}
    inline = {name: text for name, text in named.items() if name not in INPUTS}
    variables = {
        f"INPUT_{name}": text
        for name, text in inputs.items()
        if name.lower().replace("_", "-") in INPUTS
    }
    if inline:
        variables["INPUT_SETTINGS"] = yaml.safe_dump(inline)
    return load({**ENOUGH, **variables}, workspace, {})


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("TRAFFIC_STEPS", "50,10", "Input traffic-steps: '50,10' must be increasing percentages"),
        ("TRAFFIC_STEPS", "0,100", "Input traffic-steps: '0,100' must be increasing"),
        ("TRAFFIC_STEPS", "10,101", "Input traffic-steps: '10,101' must be increasing"),
        ("STEP_INTERVAL", "soon", "step-interval: 'soon' must be a duration such as 30s"),
        ("KEEP_REVISIONS", "0", "keep-revisions: '0' must be a whole number from 1 to 100"),
        ("KEEP_REVISIONS", "many", "keep-revisions: 'many' must be a whole number"),
        ("DRY_RUN", "yes", "Input dry-run: 'yes' must be true or false"),
        ("CACHE_REQUIRED", "1", "cache-required: '1' must be true or false"),
        ("BUILDER", "kaniko", "builder: 'kaniko' must be one of docker, acr"),
        ("CACHE_CLEAR", "later", "cache-clear: 'later' must be 'none', or one of before"),
        ("HEALTH_PATH", "health", "health-path: 'health' must be a path that begins with"),
        ("SUBSCRIPTION_ID", "prod", "Input subscription-id: 'prod' must be an ID of the form"),
        ("COMMAND", "destroy", "Input command: 'destroy' must be one of deploy, rollback"),
        ("APP", "my app", "Input app: 'my app' must be a name of letters"),
    ],
)
def test_an_invalid_value_is_reported_with_its_name_and_the_expected_form(
    tmp_path: Path, name: str, text: str, sentence: str
) -> None:
    with pytest.raises(InputError) as raised:
        loaded(tmp_path, **{name: text})

    assert raised.value.message.startswith(sentence)
    assert raised.value.exit_code == 2


def test_all_faults_are_reported_together(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        loaded(tmp_path, DRY_RUN="yes", BAKE="long", BUILDER="kaniko")

    assert all(name in raised.value.message for name in ("dry-run", "bake", "builder"))


def test_a_secret_is_never_repeated(tmp_path: Path) -> None:
    file = tmp_path / "settings.yml"
    file.write_text("environments:\n  prod:\n    cache-url: [{a: hunter2}]\n")

    with pytest.raises(InputError) as raised:
        loaded(tmp_path, SETTINGS_FILE="settings.yml")

    assert "hunter2" not in str(raised.value)


def test_an_empty_text_counts_as_not_given(tmp_path: Path) -> None:
    settings = loaded(tmp_path, TRAFFIC_STEPS="", BUILDER="  ", REVISION="")

    assert settings.traffic_steps == (10, 50, 100)
    assert settings.builder is BuilderKind.DOCKER


def test_inputs_override_the_file_and_the_file_overrides_defaults(tmp_path: Path) -> None:
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github/deploy-action.yml").write_text(
        "environments:\n"
        "  prod:\n"
        "    bake: 5m\n"
        "    step-interval: 10s\n"
        "    cache-patterns:\n"
        "      - manifest:*\n"
        "      - config:*\n"
        "  dev:\n"
        "    bake: 1s\n"
    )

    settings = loaded(tmp_path, BAKE="7s")

    assert settings.bake_s == 7
    assert settings.step_interval_s == 10
    assert settings.cache_patterns == ("manifest:*", "config:*")
    assert settings.cache_clear == (Moment.BEFORE, Moment.AFTER)
    assert loaded(tmp_path, ENVIRONMENT="dev").bake_s == 1


def test_an_input_wins_then_inline_settings_the_environment_its_parent_and_the_defaults(
    tmp_path: Path,
) -> None:
    (tmp_path / "settings.yml").write_text(
        "defaults: {bake: 1s, step-interval: 1s, drain-time: 1s, gate-timeout: 1m, "
        "traffic-steps: '1,100'}\n"
        "environments:\n"
        "  base: {step-interval: 2s, drain-time: 2s, gate-timeout: 2m, traffic-steps: '2,100'}\n"
        "  prod: {extends: base, drain-time: 3s, gate-timeout: 3m, traffic-steps: '3,100'}\n"
    )
    inline = "{gate-timeout: 4m, traffic-steps: '4,100'}"

    settings = loaded(
        tmp_path, SETTINGS_FILE="settings.yml", SETTINGS=inline, TRAFFIC_STEPS="5,100"
    )

    assert settings.bake_s == 1
    assert settings.step_interval_s == 2
    assert settings.drain_time_s == 3
    assert settings.gate_timeout_s == 4 * 60
    assert settings.traffic_steps == (5, 100)


def test_an_unknown_key_is_reported_with_its_place_and_the_nearest_name(
    tmp_path: Path,
) -> None:
    (tmp_path / "settings.yml").write_text(
        "environments:\n  prod:\n    bake: 5m\n    trafic-steps: 10,100\n"
    )

    with pytest.raises(InputError) as raised:
        loaded(tmp_path, SETTINGS_FILE="settings.yml")

    assert "trafic-steps: unknown setting. Did you mean traffic-steps?" in str(raised.value)
    assert str(raised.value.place) == "settings.yml:4:5"


def test_invalid_yaml_is_reported_with_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "settings.yml").write_text("environments:\n  prod: [1,\n")

    with pytest.raises(InputError) as raised:
        loaded(tmp_path, SETTINGS_FILE="settings.yml")

    assert raised.value.place is not None
    assert raised.value.place.line == 3


def test_an_unknown_environment_is_refused_with_the_known_ones(
    tmp_path: Path,
) -> None:
    (tmp_path / "settings.yml").write_text("environments:\n  prod: {}\n  dev: {}\n")

    with pytest.raises(InputError, match=r"no environment 'staging'; it has prod, dev"):
        loaded(tmp_path, SETTINGS_FILE="settings.yml", ENVIRONMENT="staging")


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"INPUT_APP": ""}, "Input app is required for deploy."),
        ({"INPUT_REGISTRY": ""}, "Input registry is required"),
        (
            {"INPUT_CLIENT_ID": "00000000-0000-0000-0000-000000000000"},
            "Input tenant-id is required: GitHub OIDC needs client-id and tenant-id.",
        ),
        ({"INPUT_BUILD_ARGS": "DEBUG"}, "Input build-args: 'DEBUG' must be lines of NAME=value."),
    ],
)
def test_missing_settings_of_a_command_are_reported_first(
    tmp_path: Path, inputs: dict[str, str], sentence: str
) -> None:
    with pytest.raises(InputError) as raised:
        load({**ENOUGH, **inputs}, tmp_path, {})

    assert sentence in raised.value.message
