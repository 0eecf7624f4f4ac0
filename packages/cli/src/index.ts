// The command line as a function, for tests and for embedding.
export type { CliContext, Output } from "./context.js";
export { main } from "./main.js";
