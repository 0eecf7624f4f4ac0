// @cllm4rec/recommend/blend: makes blends of models and linear scorers. What serves a blend does not import this.

export {
  defaultTrials,
  type EaseKind,
  type FitEaseOptions,
  type FittedEase,
  fitEase,
  type ItemTextBlock,
  itemTextBlocks,
  trialsWithin,
} from "./blend/fit-ease.js";
export {
  type BlendOptions,
  type BlendProgress,
  blend,
  type LearnedBlend,
  SCORERS,
  type ScorerName,
} from "./blend/learn.js";
export type { BlendMember } from "./blend/mixer.js";
export { readBlend, removeBlend, type StoredBlend } from "./blend/stored-blend.js";
