// Which panels each view has, from top to bottom. What draws one is a module of `panels/`.

const PANELS = {
  answers: { title: "What answers" },
  comparison: { title: "Comparison" },
  curves: { title: "Losses", needs: "train" },
  features: { title: "What it has found in the features" },
  job: { title: "The job", needs: "train" },
  jobs: { title: "Jobs", needs: "train" },
  profile: { title: "The table" },
  residuals: { title: "Predicted and true" },
  serving: { title: "What serves" },
  train: { title: "Train", needs: "train" },
  try: { title: "Try it" },
  upload: { title: "A table of yours", needs: "train" },
  version: { title: "The version" },
  versions: { title: "Versions" },
};

const HOME = ["serving", "upload", "jobs"];
const UNTRAINED = ["answers", "train", "profile", "jobs"];
const DATASET = ["answers", "comparison", "residuals", "features", "try", "train", "versions", "jobs", "profile"];
const JOB = ["job", "curves", "comparison", "train"];
const VERSION = ["version", "residuals", "features", "try"];

/** What draws a panel. */
export async function load(id) {
  return (await import(`./panels/${id}.js`)).panel;
}

/** Loads what draws all panels: a service of another release does not have it any more. */
export function loadAll() {
  return Promise.allSettled(Object.keys(PANELS).map(load)); // what fails is tried again when needed
}

/** The panels of what the URL names, and its title; a dataset has fewer before it is trained. */
export function view(named, found) {
  const { names, title } = chosen(named, found);
  return { panels: names.map((id) => ({ id, ...PANELS[id] })), title };
}

function chosen({ dataset, job, network, version }, found) {
  if (job) return { names: JOB, title: `Job ${job.slice(0, 8)}` };
  if (network && version) return { names: VERSION, title: `${network}, version ${version}` };
  if (dataset) return { names: found.version ? DATASET : UNTRAINED, title: dataset };
  return { names: HOME, title: "Crosscheck" };
}
