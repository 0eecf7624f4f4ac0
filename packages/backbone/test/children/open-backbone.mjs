// Opens model directories in a process of its own and says what came of each: one JSON line. Arguments: cache
// directory, directories.
import { Backbone } from "@cllm4rec/backbone";

const [cacheDirectory, ...directories] = process.argv.slice(2);
for (const directory of directories) {
  try {
    const backbone = await Backbone.open(directory, { weights: { cacheDirectory } });
    await backbone.dispose();
    console.log(JSON.stringify({ opened: true }));
  } catch (error) {
    console.log(JSON.stringify({ opened: false, name: error.name, message: error.message }));
  }
}
