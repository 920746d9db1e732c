"""tesserec: an engine for recommender systems.

    import tesserec as tr

Nothing heavy is imported until a name is used: `tr.LightGCN` is looked up, and its file imported,
at first use.
"""

import os

# OpenMP's threads spin between parallel regions by default, which on small machines takes the
# cores from whoever works next (docs/design/decisions/0002-passive-waiting.md). Only effective
# before torch is imported; a setting of your own stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
