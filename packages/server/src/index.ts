// @cllm4rec/server: a trained model behind HTTP.
export type { ServeOptions } from "./options.js";
export type { ProblemBody } from "./problem.js";
export { type Server, serve } from "./serve.js";
