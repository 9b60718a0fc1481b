// MLflow's clients print an address of MLflow's own pages, as in …/api/mlflow/WORKSPACE/#/experiments/12/runs/r17-s204.
const meant = /^#\/experiments\/(\d+)(?:\/runs\/([\w-]+))?/.exec(location.hash);
if (meant) {
  const query = new URLSearchParams(meant[2] ? { run: meant[2] } : { experiment: meant[1] });
  location.replace(`${location.pathname}?${query}`);
}
