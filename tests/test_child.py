"""Child processes: ready by their first line, stopped in time, and never left behind by a parent that is gone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from hub.child import Child, Copy, Forked, forks_of, python
from hub.file_lock import locks

SLEEPS = "import time; print('ready', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
PARENT = f"""
import os, sys, threading, time
from hub.child import Child
children = []
def start():
    children.append(Child([sys.executable, "-c", {SLEEPS!r}], os.environ))
thread = threading.Thread(target=start)
thread.start()
thread.join()
children[0].first_line()
print(children[0].pid, flush=True)
time.sleep(60)
"""
COPIED = """
import sys, time
from hub.child import Copy
found = "川"
def run():
    print(found, flush=True)
    time.sleep(60)
copy = Copy(run)
if "begins" in sys.argv:
    copy.begin()
    copy.stdout.readline()
print(copy.pid, flush=True)
time.sleep(60)
"""
FORKS = """
import sys, time
from hub.child import Forked, forks_of
forked = Forked(forks_of("forked_here"), "forked_here", [], {})
print(forked.stdout.readline(), end="", flush=True)
time.sleep(60)
"""
FORKED_HERE = """
import os, sys, time
began = os.getpid()
def main():
    print(os.getpid(), began, *sys.argv[1:], os.environ, flush=True)
    if not sys.argv[1:]:
        time.sleep(60)
"""


def child(program: str) -> Child:
    return Child([sys.executable, "-c", program], os.environ)


def is_gone(pid: int, within_s: float = 5.0) -> bool:
    """Whether a process ends in time; one that nobody has waited for has ended too."""
    give_up_s = time.monotonic() + within_s
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > give_up_s:
            return False
        time.sleep(0.01)
    return True


def test_the_first_line_of_output_says_that_a_child_is_ready() -> None:
    with child(SLEEPS) as started:
        assert started.first_line() == "ready"
        assert started.stop() == -signal.SIGTERM


def test_a_child_that_ends_before_it_is_ready_has_no_first_line() -> None:
    with child("raise SystemExit(3)") as started:
        assert started.first_line() == ""
        assert started.stop() == 3


def test_a_child_that_says_nothing_in_time_has_no_first_line() -> None:
    with child("import time; time.sleep(60)") as started:
        assert started.first_line(within_s=0.2) == ""
        started.stop()


def test_a_child_that_does_not_end_in_time_is_killed() -> None:
    with child(STUBBORN) as started:
        assert started.first_line() == "ready"
        assert started.stop(within_s=0.2) == -signal.SIGKILL


def test_a_module_is_called_by_its_main_with_the_arguments(tmp_path: Path) -> None:
    (tmp_path / "greets.py").write_text("import sys\ndef main(): print(*sys.argv[1:], '川')\n", encoding="utf-8")
    with Child(python("greets", "a", "b"), {**os.environ, "PYTHONPATH": str(tmp_path), "LC_ALL": "C"}) as started:
        assert started.first_line() == "a b 川"
        started.stop()


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_child_ends_with_its_killed_parent_though_the_thread_that_started_it_ended_before(is_stopped: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if is_stopped:
            os.kill(pid, signal.SIGSTOP)
        assert not is_gone(pid, within_s=0.2)
        parent.kill()
        assert is_gone(pid)


def test_a_child_whose_parent_is_gone_before_it_begins_ends_at_once() -> None:
    lifeline, held = os.pipe()
    os.close(held)
    program = f"from hub.lifeline import end_with; end_with({lifeline}); print('lives')"
    done = subprocess.run([sys.executable, "-c", program], pass_fds=[lifeline], capture_output=True, check=False)
    os.close(lifeline)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")


def test_a_copy_begins_when_it_is_told_with_what_its_parent_had() -> None:
    found = ["川"]

    def say() -> None:
        os.write(1, "".join(found).encode())

    copy = Copy(say)
    found.append("渝")
    copy.begin()
    assert (copy.stdout.read(), copy.wait(), copy.wait()) == ("川", 0, 0)


def test_a_copy_that_fails_says_so_by_its_exit_code() -> None:
    def fail() -> None:
        raise ValueError

    copy = Copy(fail)
    copy.begin()
    assert (copy.stdout.read(), copy.wait()) == ("", 1)


def test_a_copy_has_no_lock_that_its_parent_had(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("wb") as held:
        assert locks(held.fileno())
        copy = Copy(lambda: time.sleep(60))
        copy.begin()
    with (tmp_path / "lock").open("wb") as free:
        give_up_s = time.monotonic() + 5
        while not locks(free.fileno()):
            assert time.monotonic() < give_up_s
            time.sleep(0.01)
    copy.kill()
    assert copy.wait() == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_copy_is_ended_before_it_begins_and_not_again(number: signal.Signals) -> None:
    copy = Copy(lambda: None)
    (copy.terminate if number == signal.SIGTERM else copy.kill)()
    assert copy.wait() == -number
    copy.kill()


@pytest.mark.parametrize("arguments", [[], ["begins"]], ids=["waiting", "at_work"])
def test_a_copy_ends_with_its_killed_parent(arguments: list[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", COPIED, *arguments], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not is_gone(pid, within_s=0.2)
        parent.kill()
        assert is_gone(pid)


def test_a_fork_has_the_arguments_and_the_environment_that_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "forked_there.py").write_text(FORKED_HERE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    forked = Forked(forks_of(), "forked_there", ["a", "川"], {"B": "渝"})
    assert forked.stdout.read().split(" ", 2)[2] == "a 川 environ({'B': '渝'})\n"
    forked.stop()
    assert forked.poll() == 0


def test_what_a_fork_says_last_is_waited_for_and_its_log_has_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "import sys; print('川' * 100_000); print('渝', file=sys.stderr); sys.exit(3)"
    (tmp_path / "speaks.py").write_text(f"def main(): {said}", encoding="utf-8")
    (tmp_path / "is_silent.py").write_text(f"def main(): {SLEEPS}", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    forked = Forked(forks_of(), "speaks", [], os.environ, tmp_path / "its.log")
    assert forked.last_words() == "川" * 100_000 + "\n"
    assert (forked.poll(), (tmp_path / "its.log").read_text(encoding="utf-8")) == (3, "渝\n")
    forked = Forked(forks_of(), "is_silent", [], os.environ, tmp_path / "sleeper.log")
    assert forked.first_line() == "ready"
    with pytest.raises(subprocess.TimeoutExpired):
        forked.last_words(0.2)
    assert psutil.Process(forked.pid).name() == "sleeper"
    forked.send_signal(signal.SIGTERM)
    assert forked.last_words() == ""
    forked.send_signal(signal.SIGTERM)
    assert forked.poll() == -signal.SIGTERM


def test_forks_are_of_one_process_that_has_imported_their_module_and_end_with_the_killed_parent_of_both(tmp_path: Path) -> None:
    (tmp_path / "forked_here.py").write_text(FORKED_HERE, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", FORKS], env=environment, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid, imported_by = map(int, parent.stdout.readline().split()[:2])
        assert pid != imported_by
        assert not is_gone(pid, within_s=0.2)
        parent.kill()
        assert is_gone(pid)
        assert is_gone(imported_by)


def test_a_fork_that_does_not_end_in_time_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stubborn.py").write_text(f"def main(): {STUBBORN}", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    forked = Forked(forks_of(), "stubborn", [], os.environ)
    assert forked.stdout.readline() == "ready\n"
    forked.stop(within_s=0.2)
    assert forked.poll() == -signal.SIGKILL
