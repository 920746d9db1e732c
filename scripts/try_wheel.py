"""Install a folder's wheel into an empty environment and run the demo outside of the sources."""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path


def main(folder: Path) -> None:
    """Build the environment, install, and check that the quick demo leaves a report and a model."""
    wheel = next(folder.glob("tesserec-*.whl")).resolve()
    constraints = Path(__file__).parent.parent.resolve() / "constraints.txt"
    with tempfile.TemporaryDirectory() as place:
        venv.create(Path(place) / "env", with_pip=True)
        python = str(Path(place) / "env" / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--constraint", str(constraints)]
        subprocess.run([*pip, "torch"], check=True, cwd=place)
        subprocess.run([*pip, str(wheel)], check=True, cwd=place)
        demo = [python, "-m", "tesserec", "demo", "--quick", "--out", "demo"]
        subprocess.run(demo, check=True, cwd=place)
        for name in ("report.html", "model/weights.safetensors", "metrics.json"):
            if not (Path(place) / "demo" / name).is_file():
                sys.exit(f"the demo left no {name}")
    print(f"{wheel.name}: installed alone, the quick demo ran")


main(Path(sys.argv[1]))
