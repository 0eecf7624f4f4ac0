import { packageTests } from "../../tooling/testing/src/vitest-config.js";

export default packageTests();
