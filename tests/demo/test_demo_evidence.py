"""What the demo leaves behind is checked by a stranger: by the two commands that it prints, with `cryptography` and nothing of the hub."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hub.audit import verify
from hub.bench.strangers import environment
from hub.demo.panels import PANELS

# A minute, where nothing else runs.
DEMO_S = 900.0


@pytest.mark.timeout(DEMO_S + 200)
def test_a_stranger_verifies_the_evidence_of_a_demo_by_the_commands_that_it_prints(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "from hub.cli import main; main()", "demo", "--events", "600", "--rate", "100", "--exit", "--json"],
        capture_output=True, text=True, timeout=DEMO_S, check=False, env={**os.environ, "HUB_DATA_DIR": str(tmp_path / "data")},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    result = json.loads(ran.stdout.splitlines()[-1])
    assert result["problems"] == []
    # Who opens the console by a link that is printed finds something in each panel.
    (console,) = re.findall(r"^控制台 console: (http://127\.0\.0\.1:[0-9]+) ", ran.stderr, re.MULTILINE)
    assert len(re.findall(rf"^  {re.escape(console)}/enter/\S{{40,}}  ", ran.stderr, re.MULTILINE)) == 2
    assert result["panels"] == dict.fromkeys(PANELS, True)
    install, check = re.findall(r"^  (pip install .*|python3 .*)$", ran.stderr, re.MULTILINE)
    # The package is there already: a stranger's environment has it and nothing else.
    assert install == verify.GET_CRYPTOGRAPHY
    python = environment(sys.executable, tmp_path / "venv")
    program = check.split()[1:]
    verdict = subprocess.run([python, "-I", *program], capture_output=True, text=True, check=False, timeout=200, cwd=tmp_path)
    assert (verdict.returncode, verdict.stderr) == (verify.VERIFIED, "")
    assert "verified under the policy from outside" in verdict.stdout
    assert "receipts are of these batches" in verdict.stdout
