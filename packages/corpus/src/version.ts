// What the manifest names as its writer.
import packageJson from "../package.json" with { type: "json" };

export const WRITER = `${packageJson.name} ${packageJson.version}`;
