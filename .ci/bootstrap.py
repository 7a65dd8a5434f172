"""Makes the private .venv that every make target runs in.

It uses the standard library only and can be read by any Python, so that an interpreter that is too old answers with a
sentence instead of a syntax error. uv comes from the package index like any other package; the lock file then says what
is installed. Two makes may run at once: the second waits for the first, finds its work done and does nothing.
"""

import os
import subprocess
import sys
import time

UV = "uv==0.13.8"
HERE = os.path.abspath(__file__)
ROOT = os.path.dirname(os.path.dirname(HERE))
VENV = os.path.join(ROOT, ".venv")
BIN = os.path.join(VENV, "bin")
PYTHON = os.path.join(BIN, "python")
WHAT = {
    "run": ["--all-extras", "--no-default-groups", "--inexact"],
    "develop": ["--all-extras", "--all-groups"],
}


def say(text):
    """Print one line at once."""
    sys.stdout.write("bootstrap: " + text + "\n")
    sys.stdout.flush()


def check_interpreter():
    """Refuse an interpreter that cannot make the environment, before anything is written."""
    found = "%s is Python %d.%d" % (sys.executable, sys.version_info[0], sys.version_info[1])
    if sys.version_info < (3, 11):
        sys.exit("bootstrap: %s; Millrace needs 3.11 or newer. Name one: make PYTHON=/path/to/python3.11 ..." % found)
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        remedy = "install it (Debian, Ubuntu: python3-venv) or name another: make PYTHON=/path/to/python3.11 ..."
        sys.exit("bootstrap: %s, but its venv module is missing; %s" % (found, remedy))


def call(failure, *alternatives):
    """Run the first of these commands that succeeds; when none does, show what they said and stop."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")
    }
    environment["UV_PROJECT_ENVIRONMENT"] = VENV
    said = []
    for command in alternatives:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode == 0:
            return
        said.append("$ " + " ".join(command) + "\n" + done.stdout.decode(errors="replace"))
    sys.exit("\n".join(said) + "bootstrap: " + failure)


def install_uv():
    """Make the virtual environment and put uv into it, where they are missing."""
    if not os.path.exists(PYTHON):
        call("could not make " + VENV, [sys.executable, "-m", "venv", VENV])
    if not os.path.exists(os.path.join(BIN, "uv")):
        if not os.path.exists(os.path.join(BIN, "pip")):
            call("could not put pip into " + VENV, [PYTHON, "-m", "ensurepip"])
        pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV]
        call("could not install %s; can the package index be reached?" % UV, pip)


def done_already(stamp):
    """Tell whether the stamp is newer than everything that it stands for."""
    inputs = [os.path.join(ROOT, "pyproject.toml"), os.path.join(ROOT, "uv.lock"), HERE]
    return os.path.exists(stamp) and os.path.getmtime(stamp) >= max(os.path.getmtime(name) for name in inputs)


def main(what, stamp):
    """Bring .venv to the lock file's state and write the stamp."""
    import fcntl

    with open(HERE) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done_already(stamp):
            return
        started = time.time()
        say("preparing .venv (once; needs the package index)")
        install_uv()
        sync = [os.path.join(BIN, "uv"), "sync", "--frozen", "--quiet", "--no-python-downloads", "--python", PYTHON]
        sync += WHAT[what]
        # The system's certificates first, because a company's proxy is known to them only; then those that uv carries.
        call("uv could not install what uv.lock names", sync + ["--system-certs"], sync)
        with open(stamp, "w") as file:
            file.write(UV + "\n")
        say("ready after %.0f s" % (time.time() - started))


if __name__ == "__main__":
    check_interpreter()
    main(sys.argv[1], os.path.abspath(sys.argv[2]))
