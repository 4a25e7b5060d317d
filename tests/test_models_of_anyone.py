"""Models' files of anyone, as the commands open them."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import keras
import pytest

from nasmon.errors import UsageError
from nasmon.train.given_model import existing_model, load_model


def test_a_models_file_that_is_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.keras"
    with ZipFile(bomb, "w", ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(100 << 20))
    with pytest.raises(UsageError, match="bytes that claim to be 104,857,600"):
        existing_model(str(bomb))


def test_a_layer_that_is_wider_than_its_file_is_not_built(tmp_path: Path) -> None:
    own, wide = tmp_path / "own.keras", tmp_path / "wide.keras"
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(7, 1)]).save(own)
    with ZipFile(own) as made, ZipFile(wide, "w") as archive:
        for name in made.namelist():
            content = made.read(name)
            archive.writestr(name, content.replace(b'"filters": 7', b'"filters": 1000000000'))
    existing_model(str(own))
    with pytest.raises(UsageError, match="a layer of 1,000,000,000 channels in [0-9,]+ bytes"):
        existing_model(str(wide))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('{"a":' * 100_000, "RecursionError"),
        ("hello", "JSONDecodeError"),
        ('{"module": "os", "class_name": "system", "config": {}}', "TypeError"),
    ],
)
def test_a_models_file_of_anyone_ends_in_a_line(tmp_path: Path, config: str, words: str) -> None:
    own, path = tmp_path / "own.keras", tmp_path / "foreign.keras"
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(1, 1)]).save(own)
    with ZipFile(own) as made, ZipFile(path, "w") as archive:
        for name in made.namelist():
            archive.writestr(name, config if name == "config.json" else made.read(name))
    with pytest.raises(UsageError, match=rf"foreign.keras cannot be loaded \({words}.*; give a"):
        load_model(existing_model(str(path)))


def test_code_in_a_models_file_is_not_run(tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Conv2D(1, 1)(keras.layers.Lambda(lambda x: 2 * x)(inputs))
    keras.Model(inputs, outputs).save(tmp_path / "lambda.keras")
    with pytest.raises(UsageError, match="is a Python lambda"):
        load_model(existing_model(str(tmp_path / "lambda.keras")))
