"""Settings: what overrides what, and what each mistake is told."""

import inspect

import pytest
import yaml

from nasmon.errors import UsageError
from nasmon.thresholds import DEFAULT_THRESHOLDS, given_thresholds
from nasmon.train.config import resolve_settings
from nasmon.train.options import all_options, section_of
from nasmon.train.run import train


@pytest.fixture
def config(tmp_path):
    """Writes a config file, given its text."""

    def write(text):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return write


def test_the_defaults_are_the_published_ones():
    nas = resolve_settings().nas
    assert (nas.enabled, nas.log_dir, nas.csv_path) == (False, "logs/nas", None)
    assert (nas.log_freq, nas.monitor_batch_freq) == ("epoch", 10)
    # the one table of thresholds says the same
    assert vars(nas.thresholds) == DEFAULT_THRESHOLDS
    published = {"high_redundancy": 0.7, "low_redundancy": 0.3, "poor_conditioning": 1e6}
    assert vars(nas.thresholds).items() >= published.items()
    training = resolve_settings().training
    assert (training.model, training.batch_size, training.lr) == ("nano_u", 8, 6e-3)


def test_a_file_overrides_the_defaults_and_the_caller_both(config):
    path = config("training: {epochs: 5, lr: 0.1}\nnas: {thresholds: {high_redundancy: 0.9}}")
    settings = resolve_settings(path, {"training.epochs": 7})
    assert settings.training.epochs == 7
    assert settings.training.lr == 0.1
    assert settings.training.batch_size == 8
    assert settings.nas.thresholds.high_redundancy == 0.9
    assert settings.nas.thresholds.low_redundancy == 0.3


@pytest.mark.parametrize("text", ["", "# nothing\n", "nas:\n", "nas: {thresholds: }"])
def test_an_empty_file_or_section_changes_nothing(config, text):
    assert resolve_settings(config(text)) == resolve_settings()


@pytest.mark.parametrize("text", ["1e6", "1.0e6", "1000000"])
def test_powers_of_ten_are_numbers_though_yaml_1_1_reads_a_string(config, text):
    path = config(f"nas: {{thresholds: {{poor_conditioning: {text}}}}}")
    assert resolve_settings(path).nas.thresholds.poor_conditioning == 1e6


@pytest.mark.parametrize("text", ["[4, 8, 16, 16]", '"4 8 16 16"', '"4,8, 16,16"'])
def test_widths_are_a_list_or_text(config, text):
    path = config(f"training: {{widths: {text}}}")
    assert resolve_settings(path).training.widths == (4, 8, 16, 16)


def test_layers_are_a_word_or_a_list(config):
    path = config('nas: {layers: ["down1_*", "/up.*/"]}')
    assert resolve_settings(path).nas.layers == ["down1_*", "/up.*/"]


def aliases(levels: int) -> str:
    """A list that takes a line to write, and 9 to the power of its levels cells."""
    text = "x"
    for level in range(levels):
        inner = "x" if level == 0 else f"*a{level - 1}"
        text = f"&a{level} [{', '.join([text, *8 * [inner]])}]"
    return text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {epoch: 3}", "unknown key training.epoch in {}; did you mean training.epochs?"),
        ("nas: {logdir: x}", "unknown key nas.logdir in {}; did you mean nas.log_dir?"),
        ("epochs: 3", "unknown key epochs in {}; did you mean training.epochs?"),
        ("nsa: {}", "unknown key nsa in {}; did you mean nas?"),
        (
            "nas: {thresholds: {high_redundanc: 1}}",
            "did you mean nas.thresholds.high_redundancy?",
        ),
        ("zzz: 1", "unknown key zzz in {}; known here: training, terrain, nas"),
        (
            "training: {epochs: 0}",
            "training.epochs in {} is 0; use a whole number from 1 to 1000000",
        ),
        ("training: {epochs: 1.5}", "is 1.5; use a whole number"),
        ("training: {epochs: true}", "is True; use a whole number"),
        ("training: {epochs: }", "training.epochs in {} is null; use a whole number"),
        ("training: {lr: 0}", "training.lr in {} is 0; use a number above 0"),
        ("training: {lr: .nan}", "is nan; use a number above 0"),
        ("training: {lr: .inf}", "is inf; use a number above 0"),
        ("training: {lr: fast}", "is 'fast'; use a number above 0"),
        ("training: {lr: [1]}", "is [1]; use a number above 0"),
        ("training: {model: unet}", "is 'unet'; use one of nano_u, bu_net"),
        ("training: {model: [nano_u]}", "is ['nano_u']; use one of nano_u, bu_net"),
        ("training: {widths: [4, 8]}", "widths has 2 numbers; give 4"),
        ("training: {widths: [4, 8, 0, 16]}", "use whole numbers of at least 1"),
        ("training: {widths: 4}", "is 4; use whole numbers of at least 1"),
        ("training: {data_dir: 3}", "is 3; use a path, or null"),
        ("training: {output_dir: }", "is null; use a path"),
        ("training: 3", "training in {} is 3; give it keys: model, epochs,"),
        ("nas: {enabled: 1}", "is 1; use true or false"),
        ("nas: {log_freq: step}", "is 'step'; use one of epoch, batch"),
        ("nas: {monitor_batch_freq: 0}", "is 0; use a whole number of at least 1"),
        ("nas: {overhead_budget: 0}", "is 0; use a number above 0, or null"),
        ("nas: {layers: []}", "is []; use auto, output, or a list"),
        ("nas: {layers: all}", "is 'all'; use auto, output, or a list"),
        ("nas: {thresholds: {high_redundancy: 2}}", "use a number of at least 0 and at most 1"),
        ("nas: {thresholds: {low_redundancy: 0.8}}", "low_redundancy is 0.8 and moderate"),
        ("terrain: {train_images: 0}", "is 0; use a whole number from 1 to 100000"),
        ("training: {widths: [1, 1, 1, 4097]}", "widths holds 4097; every width is a whole number"),
        ("terrain: {val_images: 1000000000}", "1000000000; use a whole number from 1 to 100000"),
        (
            "training: {epochs: 0x" + "f" * 9000 + "}",
            "epochs in {} is a number of more digits",
        ),
        ("training: {epochs: " + "9" * 9000 + "}", "config file {} cannot be read (Exceeds the"),
        ("a: " + "[" * 9000, "config file {} cannot be read (it is nested too deep); give a YAML"),
        ("#" * 70_000, "config file {} cannot be read (it has more than 65,536 characters); give"),
        ("training: {epochs: " + aliases(9) + "}", "training.epochs in {} is [[[[[[[...], "),
        ("- 1", "config file {} holds no sections"),
        ("a: [", "config file {} is not YAML"),
        ("a: b: c", "config file {} is not YAML: mapping values are not allowed here (line 1)"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_remedy(config, text, message):
    path = config(text)
    with pytest.raises(UsageError) as error:
        resolve_settings(path)
    assert message.format(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\xff")
    for name, reason in (("absent.yaml", "No such file"), ("binary.yaml", "not UTF-8")):
        with pytest.raises(UsageError, match=rf"{name} cannot be read .*{reason}"):
            resolve_settings(tmp_path / name)


def test_a_mistake_of_the_caller_goes_by_the_caller_s_name():
    with pytest.raises(UsageError, match=r"^--epochs is '0'; use a whole number"):
        resolve_settings(None, {"training.epochs": "0"}, {"training.epochs": "--epochs"})


def test_the_function_has_a_keyword_for_every_option_that_names_one():
    keywords = {option.keyword for _, option in all_options() if option.keyword}
    assert set(inspect.signature(train).parameters) == keywords | {"config", "overwrite"}


def test_the_defaults_file_holds_every_option_and_nothing_else():
    def keys(tree, prefix=""):
        for name, value in tree.items():
            inner = isinstance(value, dict)
            yield from keys(value, f"{prefix}{name}.") if inner else [f"{prefix}{name}"]

    from importlib.resources import files

    tree = yaml.safe_load((files("nasmon.train") / "defaults.yaml").read_text())
    assert sorted(keys(tree)) == sorted(key for key, _ in all_options())


def test_a_section_is_no_option():
    from dataclasses import fields

    from nasmon.train.options import Nas

    sections = {one.name for one in fields(Nas) if section_of(one)}
    assert sections == {"thresholds"}


def test_the_thresholds_that_a_file_gives(config):
    path = config("nas: {thresholds: {high_redundancy: 0.9, poor_conditioning: 1e5}}")
    assert given_thresholds(path) == {"high_redundancy": 0.9, "poor_conditioning": 1e5}
    assert given_thresholds(config("training: {epochs: 2}")) == {}


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        (
            "high_redundancy: 0.5",
            "moderate_redundancy is 0.5 and high_redundancy 0.5; give both so",
        ),
        ("low_redundancy: 0.5", "low_redundancy is 0.5 and moderate_redundancy 0.5; give both"),
        ("low_correlation: 0.6", "low_correlation is 0.6 and high_correlation 0.6; give both"),
    ],
)
def test_thresholds_in_the_wrong_order_are_refused(config, thresholds, message):
    with pytest.raises(UsageError, match=message):
        given_thresholds(config(f"nas: {{thresholds: {{{thresholds}}}}}"))


@pytest.mark.parametrize(
    "text",
    [
        "thresholds: {high_redundancy: 0.9}",
        "treshold: {}",
        "nas: {threshold: {}}",
        "nas: {treshholds: {}}",
    ],
)
def test_thresholds_in_the_wrong_place_are_not_passed_over(config, text):
    with pytest.raises(UsageError, match=r"unknown key .*; did you mean nas\.thresholds\?"):
        given_thresholds(config(text))
