// Which panels each view has, from top to bottom.

import { answers } from "./panels/answers.js";
import { comparison } from "./panels/comparison.js";
import { curves } from "./panels/curves.js";
import { features } from "./panels/features.js";
import { job } from "./panels/job.js";
import { jobs } from "./panels/jobs.js";
import { profile } from "./panels/profile.js";
import { residuals } from "./panels/residuals.js";
import { serving } from "./panels/serving.js";
import { train } from "./panels/train.js";
import { tryIt } from "./panels/try.js";
import { upload } from "./panels/upload.js";
import { version } from "./panels/version.js";
import { versions } from "./panels/versions.js";

const HOME = [serving, upload, jobs];
const UNTRAINED = [answers, profile, train, jobs];
const DATASET = [answers, comparison, residuals, features, tryIt, train, versions, jobs, profile];
const JOB = [job, curves, comparison, train];
const VERSION = [version, residuals, features, tryIt];

/** The panels of what the URL names, and its title; a dataset has fewer before it is trained. */
export function view({ dataset, job, network, version }, found) {
  if (job) return { panels: JOB, title: `Job ${job.slice(0, 8)}` };
  if (network && version) return { panels: VERSION, title: `${network}, version ${version}` };
  if (dataset) return { panels: found.version ? DATASET : UNTRAINED, title: dataset };
  return { panels: HOME, title: "Crosscheck" };
}
