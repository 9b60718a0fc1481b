"""Files and tables by the SDK: sent, fetched, said, registered, read."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from studio_sdk.core import Dataset, Datastore, Workspace
from studio_sdk.data import _transfer, constants
from studio_sdk.data.datapath import DataPath, DataPathComputeBinding
from studio_sdk.data.dataset_factory import DataType
from studio_sdk.data.file_dataset import FileDataset
from studio_sdk.data.tabular_dataset import TabularDataset
from studio_sdk.exceptions import DatasetTimestampMissingError, NotSupportedException, UserErrorException

SALES = "day,city,amount\n" + "".join(
    f"2026-01-{1 + number % 28:02},{'Oslo' if number % 2 else 'Bergen'},{number}\n" for number in range(100)
)


@pytest.fixture
def store(workspace: Workspace) -> Datastore:
    return workspace.get_default_datastore()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    (made / "deep" / "er").mkdir(parents=True)
    (made / "sales.csv").write_text(SALES)
    (made / "deep" / "er" / "[odd] näme.txt").write_text("odd")
    (made / "deep" / "empty").write_text("")
    return made


@pytest.fixture
def sales(store: Datastore, folder: Path) -> TabularDataset:
    store.upload(folder, "files", show_progress=False)
    return Dataset.Tabular.from_delimited_files((store, "files/sales.csv"))


def amounts(table: TabularDataset) -> list[object]:
    return list(table.to_arrow()["amount"].to_pylist())


def days(table: TabularDataset) -> set[str]:
    return {str(day)[:10] for day in table.to_arrow()["day"].to_pylist()}


def test_a_folder_goes_there_and_comes_back(
    store: Datastore, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = store.upload(folder, "files", show_progress=True)
    assert (reference.path_on_datastore, reference.mode) == ("files", "mount")
    assert "Uploaded 3 files" in capsys.readouterr().out
    assert store.download(tmp_path / "copy", prefix="files/deep", show_progress=False) == 2
    assert (tmp_path / "copy/files/deep/er/[odd] näme.txt").read_text() == "odd"
    (folder / "sales.csv").write_text("changed")
    store.upload(folder, "files")
    assert "overwrite=True would replace it" in capsys.readouterr().out
    store.download(tmp_path / "copy", prefix="files/sales")
    assert (tmp_path / "copy/files/sales.csv").read_text() == SALES
    store.upload(folder, "files", overwrite=True, show_progress=False)
    assert store.download(tmp_path / "copy", prefix="files/sales", overwrite=True, show_progress=False) == 1
    assert (tmp_path / "copy/files/sales.csv").read_text() == "changed"
    with pytest.raises(UserErrorException, match="does not lie below"):
        store.upload_files([folder / "sales.csv"], relative_root=folder / "deep")
    with pytest.raises(UserErrorException, match="There is no folder"):
        store.upload(tmp_path / "nowhere")


def test_a_large_file_goes_on_where_it_broke(store: Datastore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(700_000)
    (tmp_path / "large.bin").write_bytes(content)
    monkeypatch.setattr(_transfer, "SMALL_BYTES", 1000)
    monkeypatch.setattr(_transfer, "PART_BYTES", 300_000)
    client = store.workspace._client
    put, broken = client.put_bytes, []

    def breaks_once(path: str, data: bytes, headers: dict[str, str]) -> object:
        answer = put(path, data, headers)
        if not broken:
            broken.append(path)
            raise _transfer.Unreachable("broken on the way back")
        return answer

    monkeypatch.setattr(client, "put_bytes", breaks_once)
    store.upload_files([tmp_path / "large.bin"], show_progress=False)
    assert broken
    store.download(tmp_path / "copy", "large", show_progress=False)
    assert hashlib.sha256((tmp_path / "copy/large.bin").read_bytes()).digest() == hashlib.sha256(content).digest()


def test_files_of_a_dataset(workspace: Workspace, store: Datastore, folder: Path, tmp_path: Path) -> None:
    store.upload(folder, "files", show_progress=False)
    files = Dataset.File.from_files((store, "files"))
    assert sorted(files.to_path()) == ["/deep/empty", "/deep/er/[odd] näme.txt", "/sales.csv"]
    places = files.download(tmp_path / "copy")
    assert sorted(os.path.relpath(place, tmp_path / "copy") for place in places) == [
        "deep/empty",
        "deep/er/[odd] näme.txt",
        "sales.csv",
    ]
    with pytest.raises(UserErrorException, match="overwrite=True"):
        files.download(tmp_path / "copy")
    with files.mount() as mounted:
        assert (Path(mounted.mount_point) / "sales.csv").read_text() == SALES
    assert not Path(mounted.mount_point).exists()
    (folder / "what?").write_text("a pattern")
    store.upload(folder, "more", show_progress=False)
    with pytest.raises(UserErrorException, match="reads as a pattern"):
        Dataset.File.from_files((store, "more")).take(9)
    first, second = files.random_split(0.5, seed=3)
    assert len(first.to_path()) + len(second.to_path()) == 3
    odd = files.skip(1).take(1)
    assert len(odd.to_path()) == 1
    registered = files.register(workspace, "files", "words", {"a": "b"})
    assert (registered.version, registered.tags, registered.description) == (1, {"a": "b"}, "words")
    assert files.register(workspace, "files").version == 1
    other = Dataset.File.from_files([(store, "files/deep"), DataPath(store, "files/sales.csv")])
    with pytest.raises(UserErrorException, match="create_new_version=True"):
        other.register(workspace, "files")
    assert other.register(workspace, "files", create_new_version=True).version == 2
    found = Dataset.get_by_name(workspace, "files", version=1)
    assert isinstance(found, FileDataset)
    assert Dataset.get_by_id(workspace, str(found.id)).version == 1
    assert list(workspace.datasets) == ["files"]
    with pytest.raises(UserErrorException, match="has no version 9"):
        Dataset.get_by_name(workspace, "files", version=9)
    with pytest.raises(UserErrorException, match="There are no files"):
        Dataset.File.from_files((store, "nothing/*.csv"))
    with pytest.raises(UserErrorException, match="upload_directory"):
        Dataset.File.from_files("data/sales.csv")
    found.unregister_all_versions()
    assert workspace.datasets == {}


def test_a_table_is_read(sales: TabularDataset) -> None:
    table = sales.to_arrow()
    assert table.column_names == ["day", "city", "amount"]
    assert table["amount"].to_pylist() == list(range(100))
    few = sales.keep_columns(["city", "amount"]).filter((sales["amount"] >= 10) & (sales["city"] == "Oslo"))
    assert amounts(few) == list(range(11, 100, 2))
    either = sales.filter((sales["amount"] < 2) | ((sales["amount"] > 97) & (sales["city"] == "Oslo")))
    assert amounts(either) == [0, 1, 99]
    assert amounts(sales.take(3)) == [0, 1, 2]
    assert sales.drop_columns("day").to_arrow().column_names == ["city", "amount"]
    first, second = sales.random_split(0.7, seed=5)
    assert sorted(amounts(first) + amounts(second)) == list(range(100))
    assert amounts(first) == amounts(sales.random_split(0.7, seed=5)[0])
    assert 0 < len(amounts(sales.take_sample(0.3, seed=2))) < 100
    with pytest.raises(UserErrorException, match="and not by “and”"):
        sales.filter(sales["amount"] > 1 and sales["amount"] < 3)


def test_a_table_knows_time(sales: TabularDataset) -> None:
    with pytest.raises(DatasetTimestampMissingError):
        sales.time_before(datetime(2026, 1, 5, tzinfo=UTC))
    timed = sales.with_timestamp_columns("day")
    until = datetime(2026, 1, 3, tzinfo=UTC)
    assert days(timed.time_before(until)) == {"2026-01-01", "2026-01-02", "2026-01-03"}
    assert days(timed.time_before(until, include_boundary=False)) == {"2026-01-01", "2026-01-02"}
    assert days(timed.time_between(until, datetime(2026, 1, 4, tzinfo=UTC))) == {"2026-01-03", "2026-01-04"}
    assert days(timed.time_after(until, include_boundary=False)) == {f"2026-01-{day:02}" for day in range(4, 29)}
    assert days(timed.time_recent(timedelta(days=1))) == set()


def test_a_table_is_registered(workspace: Workspace, store: Datastore, sales: TabularDataset) -> None:
    first = sales.register(workspace, "sales")
    assert sales.register(workspace, "sales").version == 1
    with pytest.raises(UserErrorException, match="create_new_version=True"):
        sales.take(5).register(workspace, "sales")
    assert first.take(5).register(workspace, "sales", create_new_version=True).version == 2
    found = Dataset.get_by_name(workspace, "sales")
    assert isinstance(found, TabularDataset)
    assert amounts(found) == [0, 1, 2, 3, 4]
    laid_out = first.partition_by(["city"], target=DataPath(store, "anywhere"), name="by-city")
    assert laid_out.partition_keys == ["city"]
    assert laid_out.get_partition_key_values() == [{"city": "Bergen"}, {"city": "Oslo"}]
    texts = Dataset.Tabular.from_delimited_files((store, "files/sales.csv"), infer_column_types=False)
    assert amounts(texts.take(1)) == ["0"]
    typed = Dataset.Tabular.from_delimited_files(
        (store, "files/sales.csv"), set_column_types={"amount": DataType.to_float()}
    )
    assert typed.to_arrow().schema.field("amount").type == pa.float64()
    for refused in ({"include_path": True}, {"empty_as_string": True}):
        with pytest.raises(NotSupportedException):
            Dataset.Tabular.from_delimited_files((store, "files/sales.csv"), **refused)


class Frame:
    """As much of a data frame as is asked of one: pandas is none of the studio's own packages."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def to_parquet(self, place: str, row_group_size: int | None = None) -> None:
        parquet.write_table(self.table, place, row_group_size=row_group_size)


def test_a_data_frame_becomes_a_dataset(workspace: Workspace, store: Datastore) -> None:
    table = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
    target = (store, "frames")
    made = Dataset.Tabular.register_pandas_dataframe(Frame(table), target, "frame", show_progress=False)
    assert (made.name, made.version) == ("frame", 1)
    assert made.to_arrow().to_pydict() == table.to_pydict()
    again = Dataset.Tabular.register_pandas_dataframe(Frame(table.slice(1)), store, "frame", show_progress=False)
    assert again.version == 2


def test_one_without_a_name_is_kept_once(workspace: Workspace, sales: TabularDataset) -> None:
    saved = sales.take(2)._saved()
    assert saved.name is not None
    assert saved.name.startswith("unnamed-")
    assert sales.take(2)._saved().id == saved.id
    assert workspace.datasets == {}
    given = sales.as_named_input("sales").as_mount()
    assert (given.name, given.mode) == ("sales", constants.MOUNT_MODE)
    with pytest.raises(UserErrorException, match="no name for an input"):
        sales.as_named_input("not-a-name")


def test_a_path_and_how_it_arrives(store: Datastore) -> None:
    path = DataPath(store, "a/b", "where")
    reference = path.create_data_reference(datapath_compute_binding=DataPathComputeBinding("download"))
    assert (reference.name, reference.mode, reference.path_on_datastore) == ("where", "download", "a/b")
    assert DataPath.create_from_data_reference(reference) == path
    assert str(store.path("x", "r").path("y")) == "$AZUREML_DATAREFERENCE_r"
    assert store.path("x").path("y").path_on_datastore == "x/y"


def test_another_workspace_s_table_is_no_table(read_only: Workspace, sales: TabularDataset) -> None:
    sales.register(sales._home(), "sales")
    seen = Dataset.get_by_name(read_only, "sales")
    assert isinstance(seen, TabularDataset)
    assert len(amounts(seen)) == 100
    with pytest.raises(UserErrorException):
        seen.take(1).to_arrow()
