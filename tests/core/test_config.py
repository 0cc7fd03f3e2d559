"""A config is checked whole, and a message names the key, what was given and what is allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.core.config import RunConfig, load_config, parse_config
from components.core.errors import BadRequest


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    """A preset of two lines."""
    path = tmp_path / "two-lines.toml"
    path.write_text("iterations = 3\n[training]\nlearning_rate = 1e-3\n")
    return path


def test_an_empty_config_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("")
    assert load_config(tmp_path / "empty.toml") == RunConfig()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("training.learningrate=1e-3", r"training\.learningrate: unknown key"),
        ("colour=1", r"colour: unknown key"),
        ("training.learning_rate=2", r"training\.learning_rate = 2: should be less than or equal to 1"),
        ("training.learning_rate=0", r"training\.learning_rate = 0: should be greater than 0"),
        ("training.learning_rate=fast", r"training\.learning_rate = 'fast': should be a valid number"),
        ("iterations=0", r"iterations = 0: should be greater than or equal to 1"),
        ("iterations=2.5", r"iterations = 2\.5: should be a valid integer"),
        ("sampler.eta=nan", r"sampler\.eta = nan"),
        ("prompts.template=poem", r"prompts\.template = 'poem': should be 'animal', 'activity' or 'counting'"),
        ("training.lora.dropout=0.1", r"training\.lora\.dropout = 0\.1: should be less than or equal to 0"),
        ("training=3", r"training = 3: should be"),
        ("sampler.eta=0", r"eta = 0 is deterministic"),
        ("training.updates=65", r"training\.updates = 65 exceeds the 64 samples"),
        ("training.algorithm=ddpo_sf", r"set updates = 1"),
        ("training.algorithm=rwr_sparse", r"needs prompts\.samples_per_prompt of at least 10, and it is 4"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(preset: Path, override: str, says: str) -> None:
    with pytest.raises(BadRequest, match=rf"two-lines\.toml: {says}|two-lines\.toml: .*{says}") as refusal:
        load_config(preset, (override,))
    assert refusal.value.exit_code == 64
    assert "\n" not in str(refusal.value)


def test_every_wrong_key_is_named_at_once() -> None:
    with pytest.raises(BadRequest, match=r"iterations.*; .*sampler\.steps.*; .*colour"):
        parse_config({"iterations": 0, "sampler": {"steps": 1}, "colour": 1})


@pytest.mark.parametrize(
    ("override", "value"),
    [("training.learning_rate=1e-4", 1e-4), ("training.learning_rate = 0.5", 0.5), ("training.learning_rate=1", 1.0)],
)
def test_an_override_is_a_toml_value(preset: Path, override: str, value: float) -> None:
    assert load_config(preset, (override,)).training.learning_rate == value


@pytest.mark.parametrize("override", ["prompts.template=counting", 'prompts.template="counting"'])
def test_a_bare_word_is_a_string(preset: Path, override: str) -> None:
    assert load_config(preset, (override,)).prompts.template == "counting"


def test_the_last_override_of_a_key_counts_and_the_others_stay(preset: Path) -> None:
    config = load_config(preset, ("iterations=5", "iterations=7", "stop.target_gain=0.5"))
    assert (config.iterations, config.stop.target_gain, config.training.learning_rate) == (7, 0.5, 1e-3)


def test_judges_can_be_overridden_as_an_inline_table(preset: Path) -> None:
    config = load_config(preset, ('evaluation.judges=[{name="clip", options={size=224}}]',))
    assert [(judge.name, judge.options) for judge in config.evaluation.judges] == [("clip", {"size": 224})]


@pytest.mark.parametrize("override", ["training.learning_rate", "iterations.x=1", "=3"])
def test_an_override_that_cannot_be_applied_is_a_bad_request(preset: Path, override: str) -> None:
    with pytest.raises(BadRequest):
        load_config(preset, (override,))


def test_a_preset_that_is_missing_or_no_toml_is_a_bad_request(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no preset at"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("iterations = = 3")
    with pytest.raises(BadRequest, match=r"broken\.toml is not TOML"):
        load_config(tmp_path / "broken.toml")


def test_a_config_is_frozen_and_goes_through_json_unchanged(preset: Path) -> None:
    config = load_config(preset)
    with pytest.raises(ValidationError, match="frozen"):
        config.iterations = 4  # type: ignore[misc]
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


def test_every_knob_has_a_sentence() -> None:
    def undocumented(schema: dict, where: str) -> list[str]:
        return [f"{where}.{key}" for key, value in schema.get("properties", {}).items() if "description" not in value]

    schema = RunConfig.model_json_schema()
    sections = {name: part for name, part in schema["$defs"].items() if name.endswith("Config")}
    missing = [key for name, part in sections.items() for key in undocumented(part, name)]
    assert [key for key in missing if key not in {"TrainingConfig.lora", "TrainingConfig.advantage"}] == []


@pytest.mark.parametrize(
    ("tree", "clause"),
    [
        ({"iterations": "30"}, "iterations = '30': should be a valid integer"),
        ({"iterations": True}, "iterations = True: should be a valid integer"),
        ({"training": {"learning_rate": "1e-3"}}, "training.learning_rate = '1e-3': should be a valid number"),
        ({"registration": {"enabled": 1}}, "registration.enabled = 1: should be a valid boolean"),
        ({"training": {"learning_rate": float("nan")}}, "training.learning_rate = nan: should be a finite number"),
    ],
)
def test_a_value_of_another_kind_is_not_bent_into_shape(tree: dict, clause: str) -> None:
    with pytest.raises(BadRequest, match=re.escape(clause)):
        parse_config(tree)


def test_a_whole_number_is_a_number() -> None:
    assert parse_config({"training": {"lora": {"alpha": 4}}}).training.lora.alpha == 4.0


def test_a_ratio_that_the_clip_would_hide_cannot_be_allowed() -> None:
    with pytest.raises(BadRequest, match=re.escape("ratio_tolerance = 0.001 exceeds clip_range = 0.0001")):
        parse_config({"training": {"ratio_tolerance": 1e-3, "clip_range": 1e-4}})
    assert parse_config({"training": {"ratio_tolerance": 1e-4, "clip_range": 1e-4}})
