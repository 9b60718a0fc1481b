"""Scripts with pandas and scikit-learn say the same in a fresh interpreter and in one that has imported them."""

from collections.abc import Callable

import pytest

from compute.spec import EnvironmentSpec
from compute.states import JobStatus
from tests.support.compute import Compute, over
from tests.support.stack import Stack
from tests.support.waiting import wait_for
from tests.support.warm import Scripts, seen, warm_jobs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

IMPORTS = "import numpy as np\nimport pandas as pd\nimport sklearn.ensemble\nfrom sklearn.datasets import load_iris\n"
SCRIPTS = {
    "modules": f"{IMPORTS}import sys\nprint(sorted(sys.modules))",
    "a part of the packages": "import numpy, sys\nprint(sorted(sys.modules), hasattr(numpy, 'random'))\nimport sklearn\n"
    "try:\n    sklearn.ensemble\nexcept AttributeError as error:\n    print(error)\nprint(len(sys.modules))",
    "nothing of the packages": "import sys\nprint(sorted(sys.modules))",
    "what they change": f"import os, warnings\nbefore = set(os.environ), list(warnings.filters)\n{IMPORTS}"
    "print(sorted(set(os.environ) - before[0]), {n: v for n, v in os.environ.items() if n not in before[0]})\n"
    "print([f for f in warnings.filters if f not in before[1]], len(warnings.filters))",
    "a forest": f"{IMPORTS}X, y = load_iris(return_X_y=True)\n"
    "forest = sklearn.ensemble.RandomForestClassifier(20, random_state=0, n_jobs=2).fit(X, y)\n"
    "print(forest.score(X, y), forest.feature_importances_)",
    "linear algebra in threads": f"{IMPORTS}a = np.arange(360000.0).reshape(600, 600)\n"
    "print((a @ a).sum(), np.linalg.svd(a[:50, :50] + np.eye(50))[1][:3])\n"
    "from threadpoolctl import threadpool_info\n"
    "print(sorted((i['user_api'], i['num_threads']) for i in threadpool_info()))",
    "tables": f"{IMPORTS}frame = pd.DataFrame({{'a': [1, 2, 2], 'b': list('xyz'), 'c': pd.date_range('2024', periods=3)}})\n"
    "frame.to_csv('out.csv')\nprint(frame.groupby('a').count(), frame.dtypes, open('out.csv').read())",
    "pickles": f"{IMPORTS}import pickle\nmodel = sklearn.ensemble.RandomForestRegressor(2, random_state=1).fit([[0], [1]], [0, 1])\n"
    "copy = pickle.loads(pickle.dumps(model))\nprint(copy.predict([[0], [1]]), type(copy).__module__)",
    "processes": "import numpy as np, sklearn.ensemble\nfrom joblib import Parallel, delayed\nfrom multiprocessing import Pool\n\n\n"
    "def work(n):\n    return float(np.linalg.norm(np.full(1000, float(n))))\n\n\n"
    "if __name__ == '__main__':\n    print(Parallel(2)(delayed(work)(n) for n in range(3)))\n"
    "    with Pool(2) as pool:\n        print(pool.map(work, range(3)))",
    "seeded": f"{IMPORTS}np.random.seed(3)\nprint(np.random.rand(2), np.random.default_rng(3).random(2))",
    "an error within": f"{IMPORTS}pd.DataFrame({{'a': [1]}})['missing']",
    "plots": "import matplotlib, os\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt\n"
    "print(matplotlib.get_configdir().replace(os.environ['HOME'], '~'), matplotlib.matplotlib_fname()[-40:])\n"
    "plt.plot([1, 2])\nplt.savefig('plot.png')\nprint(os.path.getsize('plot.png') > 1000)",
}
BESIDE = {"plots": {"matplotlibrc": "lines.linewidth: 7\n"}}


@pytest.fixture
def environment() -> EnvironmentSpec:
    return EnvironmentSpec(pip=["matplotlib>=3.9", "pandas>=2.2", "scikit-learn>=1.5"])


def test_scripts_with_packages_say_the_same_cold_and_warm(
    worker_stack: Callable[..., Stack], compute: Compute, environment: EnvironmentSpec
) -> None:
    worker = worker_stack(STUDIO_LOG_LEVEL="DEBUG").node(compute.target.pk)
    scripts = Scripts(compute, environment)
    everything = f"{IMPORTS}import joblib, pickle, multiprocessing.pool, threadpoolctl, matplotlib.pyplot\nimport sys\n"
    ready = "print(any('sklearn.ensemble' in getattr(finder, 'modules', ()) for finder in sys.meta_path))"

    def is_ready() -> bool:
        job = over(scripts.start(everything), timeout_s=180)
        assert job.status == JobStatus.COMPLETED, (job.reason, seen(job), worker.log.read_text()[:3000])
        return seen(scripts.run(f"import sys\n{ready}")).said == ["True"]

    wait_for(is_ready, what="the packages are imported ahead", timeout_s=300, every_s=0.3)
    pairs = {
        name: [scripts.start(text, warm=warm, beside=BESIDE.get(name)) for warm in (False, True)]
        for name, text in SCRIPTS.items()
    }
    seen_of = {name: [seen(over(job, timeout_s=120)) for job in pair] for name, pair in pairs.items()}
    differ = {name: pair for name, pair in seen_of.items() if pair[0] != pair[1]}
    assert not differ, "\n\n".join(f"{name}:\n  {one}\n  {other}" for name, (one, other) in differ.items())
    warm = warm_jobs(worker.log)
    assert {name for name, (_, job) in pairs.items() if job.pk not in warm} == set()
    draws = [
        seen(scripts.run(f"{IMPORTS}print(np.random.rand(3), np.random.default_rng().random())")) for _ in range(3)
    ]
    assert len({str(one.said) for one in draws}) == 3
    threads = f"import os\nos.environ['OMP_NUM_THREADS'] = '1'\n{IMPORTS}print('fine')"
    assert scripts.run(threads).pk not in warm_jobs(worker.log)
