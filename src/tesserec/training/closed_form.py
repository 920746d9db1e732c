"""ClosedForm: a method whose network is computed, not trained."""

from abc import abstractmethod

from torch import nn

from tesserec.core import Answering, Dataset, Method, Run


class ClosedForm(Method):
    """`network` makes buffers whose shapes follow from catalogue and fields; `solve` fills them."""

    @abstractmethod
    def solve(self, network: nn.Module, data: Dataset, run: Run) -> None:
        """Fill the network's buffers from the data."""

    def fit(self, data: Dataset, run: Run) -> Answering:
        """Build, solve, answer."""
        self.check_data(data)
        with run.seeded("network"):
            network = self.network(data)
        run.progress.start(type(self).__name__, None)
        self.solve(network, data, run)
        run.progress.finish()
        return self.answer(network.eval(), data.catalog).by(self)
