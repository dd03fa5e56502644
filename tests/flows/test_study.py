from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.known_keys import known_key
from unibase.clinical.options import ClinicalSource
from unibase.flows.study.named_sources import check_sources, missing_sources
from unibase.flows.study.validation import read_study
from unibase.groundwork.problems import UserError
from unibase.omics.options import AssaySource
from unibase.privacy.keys import write_key_file

GOOD = """\
study: trial
release: {version: 1.0.0}
key: {file: vault.key}
centres:
  A:
    people: people.csv
    omics:
      rna: {matrix: "counts*.tsv", samples: samples.csv}
index: {concept: treatment_start}
windows:
  rna: {from_days: -30}
  clinical:
    ldh: {concept: ldh, from_days: -60, choose: latest}
"""


def write(folder: Path, text: str = GOOD) -> Path:
    (folder / "study.yaml").write_text(text)
    return folder / "study.yaml"


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(UserError) as caught:
        read_study(write(folder, text))
    return str(caught.value)


def test_a_good_file_is_read_with_its_defaults(tmp_path: Path) -> None:
    study = read_study(write(tmp_path))
    assert study.release.min_cell == 11
    assert study.windows.assays["rna"].from_days == -30
    assert study.work.root == tmp_path / "work"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "choose: latest",
            "choose: newest",
            "study.yaml:13: windows.clinical.ldh.choose: 'newest' is not allowed; allowed: 'latest'",
        ),
        ("release: {", "relaese: {", "study.yaml:2: relaese: unknown key"),
        ("release: {", "relaese: {", "Did you mean release?"),
        ("version: 1.0.0", "version: one", "study.yaml:2: release.version: 'one' is not allowed; it must match"),
        ("index: {concept: treatment_start}\n", "", "index: this key is missing"),
        (
            "matrix: ",
            "matirx: ",
            f"centres.A.omics.rna.matirx: unknown key; allowed here: {', '.join(sorted(AssaySource.model_fields))}. Did you mean matrix?",
        ),
        (
            "{file: vault.key}",
            "{file: a, env: B}",
            "study.yaml:3: key.prefect_secret: name exactly one of file, env, prefect_secret",
        ),
        ("{file: vault.key}", "{}", "name exactly one of"),
        ("from_days: -30", "from_days: 30", "study.yaml:11: windows.rna.from_days"),
        ("concept: ldh,", "concept: death,", "cannot be a predictor"),
        ("study: trial", "study: Trial 1", "study.yaml:1: study: 'Trial 1' is not allowed"),
        (
            "index: {",
            "features: {settings: p.yaml, regions: {GTV: ['gtv(']}}\nindex: {",
            "study.yaml:9: features.regions: regions.GTV: 'gtv(' is no regular expression",
        ),
        (
            "index: {",
            "features: {settings: p.yaml, regions: {GTV: [gtv]}, shells: [[5, 2]]}\nindex: {",
            "features.shells: A shell is (inner, outer) in mm",
        ),
        (
            "index: {",
            "features: {settings: p.yaml, regions: {GTV: [gtv]}, engine: pyradiomics, mode: ibsi}\nindex: {",
            "features: PyRadiomics does not compute IBSI's definitions; give engine: unibase",
        ),
        (
            "index: {",
            "features: {settings: p.yaml, regions: {GTV: [gtv]}, robustness: {perturbations: [{rotation: 3}, {rotation: 3}]}}\nindex: {",
            "features.robustness.perturbations: Give at least two different perturbations",
        ),
        ("study: trial", "study: [", "is no valid YAML"),
        ("study: trial", "file: /etc\nstudy: trial", "file: unknown key"),
    ],
)
def test_a_fault_is_said_with_its_line_its_key_and_what_is_allowed(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    assert said in refusal(tmp_path, GOOD.replace(old, new, 1))


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    text = refusal(tmp_path, GOOD.replace("study: trial", "study: T").replace("choose: latest", "choose: x"))
    assert len(text.splitlines()) == 3 and "2 to mend" in text


def test_an_absent_file_ends_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unibase simulate"):
        read_study(tmp_path / "none.yaml")


def test_missing_sources_are_all_named(tmp_path: Path) -> None:
    study = read_study(write(tmp_path))
    assert [line.split(":")[0] for line in missing_sources(study)] == [
        "centres.A.people",
        "centres.A.omics.rna.matrix",
        "centres.A.omics.rna.samples",
        "key.file",
    ]
    with pytest.raises(UserError, match="4 sources are missing"):
        check_sources(study)
    for name in ("people.csv", "counts_2.tsv", "counts.tsv", "samples.csv"):
        (tmp_path / name).write_text("")
    write_key_file(known_key("vault.key"), tmp_path / "vault.key")
    check_sources(study)
    (tmp_path / "params.yaml").write_text("setting: {binWidht: 25}\n")
    measured = write(tmp_path, GOOD + "features: {settings: params.yaml, regions: {GTV: [gtv]}}\n")
    with pytest.raises(UserError, match=r"params.yaml: setting.binWidht is unknown"):
        check_sources(read_study(measured))
    assert [path.name for path in study.paths("counts*.tsv")] == ["counts.tsv", "counts_2.tsv"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "{concept: ldh,",
            "{concept: lhd,",
            "windows.clinical.ldh.concept: there is no concept 'lhd'. Did you mean ldh? Known: albumin, ",
        ),
        ("{concept: treatment_start}", "{concept: tratment}", "index.concept: there is no concept 'tratment'"),
        ("windows:", "cohort: {exclude: [relaps]}\nwindows:", "cohort.exclude: there is no concept 'relaps'"),
    ],
)
def test_a_concept_that_is_not_known_is_said_before_a_build(tmp_path: Path, old: str, new: str, said: str) -> None:
    for name in ("people.csv", "counts_1.tsv", "samples.csv"):
        (tmp_path / name).write_text("x")
    write_key_file(known_key("vault.key"), tmp_path / "vault.key")
    rules = "cohort: {include: [index, rna, 'imaging:CT', cancer_diagnosis], exclude: ['discordant:sex']}\n"
    check_sources(read_study(write(tmp_path, GOOD + rules)))
    with pytest.raises(UserError) as caught:
        check_sources(read_study(write(tmp_path, GOOD.replace(old, new))))
    assert said in str(caught.value)


def test_a_server_is_an_address_and_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = read_study(write(tmp_path))
    monkeypatch.setenv("UNIBASE_HOST", "db.example.org")
    server = ClinicalSource(format="omop", path="postgresql://omop@${UNIBASE_HOST}/cdm?schema=cdm")
    assert study.records(server) == "postgresql://omop@db.example.org/cdm?schema=cdm"
    assert study.records(ClinicalSource(format="omop", path="omop")) == tmp_path / "omop"
    centre = study.centres["A"].model_copy(update={"clinical": server})
    with_server = study.model_copy(update={"centres": {"A": centre}})
    assert not [line for line in missing_sources(with_server) if "clinical" in line]


def test_environment_variables_are_filled_into_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = read_study(write(tmp_path))
    monkeypatch.delenv("UNIBASE_X", raising=False)
    assert study.path("${UNIBASE_X:-there}/a") == tmp_path / "there" / "a"
    with pytest.raises(UserError, match="UNIBASE_X"):
        study.path("${UNIBASE_X}/a")
    monkeypatch.setenv("UNIBASE_X", str(tmp_path / "else"))
    assert study.path("${UNIBASE_X:-there}/a") == tmp_path / "else" / "a"


def test_the_settings_of_a_study_are_plain_json(tmp_path: Path) -> None:
    first, second = read_study(write(tmp_path)), read_study(write(tmp_path, GOOD + "\n# a comment\n"))
    assert first.digest() == second.digest()
    assert first.digest() != read_study(write(tmp_path, GOOD.replace("-60", "-61"))).digest()


@pytest.mark.parametrize("name", ["full", "nightly", "people", "deidentify", "features", "link", "release"])
def test_every_deployment_names_a_flow_that_exists(name: str) -> None:
    import unibase.flows.build

    path = Path(__file__).resolve().parents[2] / "prefect.yaml"
    deployments: dict[str, Any] = {
        one["name"]: one for one in YAML(typ="safe").load(path.read_text(encoding="utf-8"))["deployments"]
    }
    module, flow = deployments[name]["entrypoint"].split(":")
    assert module == "unibase.flows.build"
    parameters = getattr(unibase.flows.build, flow).parameters.properties
    assert set(deployments[name]["parameters"]) <= set(parameters)


def test_every_stage_has_a_deployment() -> None:
    from unibase.flows.runs.pipeline import STAGES

    path = Path(__file__).resolve().parents[2] / "prefect.yaml"
    names = {one["name"] for one in YAML(typ="safe").load(path.read_text(encoding="utf-8"))["deployments"]}
    assert {"full", "nightly", "release", *(stage.name for stage in STAGES)} == names
