// @cllm4rec/corpus/random: the counter-based generator that every package of this project draws from. Importing it
//   loads nothing else.

export { philox4x32 } from "./random/philox.js";
