"""docs/kubernetes.yaml: what its pods run trains, and goes on. Kubernetes itself isn't here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPOSITORY, free_port

MANIFEST = REPOSITORY / "docs" / "kubernetes.yaml"


@pytest.fixture
def job() -> dict:
    """The Job of the manifest."""
    return next(part for part in yaml.safe_load_all(MANIFEST.read_text()) if part["kind"] == "Job")


def test_the_pods_are_as_many_as_their_roles(job):
    container = job["spec"]["template"]["spec"]["containers"][0]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    roles = 1 + int(variables["DMLC_NUM_SERVER"]) + int(variables["DMLC_NUM_WORKER"])
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == roles
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
    for name in ("PHOTOS", "RUN", "HOTDOG_FT_HOME"):
        assert any(variables[name].startswith(place) for place in mounted), name


@pytest.mark.slow
def test_what_the_pods_run_trains_and_goes_on(job, photos, tmp_path):
    container = job["spec"]["template"]["spec"]["containers"][0]
    script = container["command"][-1].replace("exec hotdog-ft", f"exec {sys.executable} -m hotdog_ft")
    quick = {"MODEL": "mobilenet0.25", "WEIGHTS": "none", "IMAGE_SIZE": "32", "BATCH_SIZE": "4"}

    def run_all(epochs: str) -> None:
        env = {each["name"]: each["value"] for each in container["env"] if "value" in each}
        env |= {"PHOTOS": str(photos), "RUN": str(tmp_path / "run"), "HOTDOG_FT_HOME": str(tmp_path / "cache")}
        env |= {"DMLC_PS_ROOT_URI": "localhost", "DMLC_PS_ROOT_PORT": str(free_port()), "DMLC_NODE_HOST": "127.0.0.1"}
        env |= {f"HOTDOG_FT_{name}": value for name, value in {**quick, "EPOCHS": epochs}.items()}
        env["PYTHONPATH"] = str(REPOSITORY)
        pods = [
            subprocess.Popen(["sh", "-c", script], env={**os.environ, **env, "JOB_COMPLETION_INDEX": str(index)})
            for index in range(job["spec"]["completions"])
        ]
        try:
            assert [pod.wait(240) for pod in pods] == [0] * len(pods)
        finally:
            for pod in pods:
                pod.kill()

    run_all("1")
    run_all("2")
    assert len(Path(tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2
