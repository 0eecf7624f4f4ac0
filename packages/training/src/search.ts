// @cllm4rec/training/search: the search for settings. Candidates drawn by a seed, and successive halving over them.
export { type Candidate, type Dimension, type SearchSpace, sampleCandidates } from "./search/candidates.js";
export {
  type Measured,
  type SearchOptions,
  type SearchResult,
  searchBudgets,
  successiveHalving,
  type Trial,
} from "./search/successive-halving.js";
export { trialFile } from "./search/trial-file.js";
