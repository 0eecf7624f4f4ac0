// How thorough sampled tests are.

/** Whether tests that sample by default try everything: CLLM4REC_TESTS=full. */
export const isThorough = process.env.CLLM4REC_TESTS === "full";

/** `few` by default, `all` where tests are to be thorough: numbers of random cases, lists of models, and the like. */
export function sampled<T>(few: T, all: T): T {
  return isThorough ? all : few;
}
