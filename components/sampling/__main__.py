"""Run the step: python -m components.sampling --request <URI>."""

from components.core.contracts import StepName
from components.core.runner import main

if __name__ == "__main__":
    main(StepName.SAMPLING)
