// One offline DuckDB per task: everything statically linked, nothing installed or loaded from a network.
// DuckDB reads, casts, sorts and writes columns; the graph algorithms and all randomness are ours (src/prepare).
import { type DuckDBConnection, type DuckDBDataChunk, DuckDBInstance } from "@duckdb/node-api";

export interface EngineOptions {
  /** Worker threads of DuckDB. Default: DuckDB's own, one per core. */
  readonly threads?: number;
  /** DuckDB's buffer limit, for example "2GB". Default: DuckDB's own, 80% of the machine's memory. */
  readonly memoryLimit?: string;
  /** Folder for what does not fit the memory limit. Default: nothing is spilled. */
  readonly temporaryDirectory?: string;
}

/** A DuckDB instance with one connection, and the few calls that this package makes of it. */
export class Engine {
  /** Connections of unfinished iterations. */
  private readonly streaming = new Set<DuckDBConnection>();

  private constructor(
    private readonly instance: DuckDBInstance,
    readonly connection: DuckDBConnection,
  ) {}

  static async open({ threads, memoryLimit, temporaryDirectory }: EngineOptions = {}): Promise<Engine> {
    const instance = await DuckDBInstance.create(":memory:", {
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
      // Without a folder DuckDB would spill into `.tmp` of the caller's working directory.
      temp_directory: temporaryDirectory ?? "",
      ...(threads !== undefined && { threads: String(threads) }),
      ...(memoryLimit !== undefined && { memory_limit: memoryLimit }),
    });
    const connection = await instance.connect();
    // The same file means the same times on every machine.
    await connection.run("SET GLOBAL TimeZone = 'UTC'");
    // Measured, not printed: `progress` asks for it.
    await connection.run(
      "SET enable_progress_bar = true; SET enable_progress_bar_print = false; SET progress_bar_time = 0",
    );
    return new Engine(instance, connection);
  }

  /** Runs statements for their effect. */
  async run(sql: string): Promise<void> {
    await this.connection.run(sql);
  }

  /**
   * All rows of a small result, as objects of JavaScript values; 64-bit integers and sums must be cast to DOUBLE or
   * INTEGER in the query.
   */
  async rows(sql: string): Promise<Record<string, unknown>[]> {
    return (await this.connection.runAndReadAll(sql)).getRowObjectsJS();
  }

  /** The one row of a query of counts; every column must be a number. */
  async counts(sql: string): Promise<Record<string, number>> {
    const [row] = await this.rows(sql);
    return Object.fromEntries(Object.entries(row ?? {}).map(([name, value]) => [name, Number(value)]));
  }

  /**
   * The result chunk by chunk (at most 2,048 rows each) in bounded memory; on a connection of its own, so that
   * iterations may nest. `after` runs on that connection when all rows have been taken: temporary tables that the query
   * filled are visible there alone.
   */
  async *chunks(
    sql: string,
    after?: (rows: (sql: string) => Promise<Record<string, unknown>[]>) => Promise<void>,
  ): AsyncGenerator<DuckDBDataChunk> {
    const connection = await this.instance.connect();
    this.streaming.add(connection);
    try {
      const result = await connection.stream(sql);
      for (;;) {
        const chunk = await result.fetchChunk();
        if (chunk === null || chunk.rowCount === 0) break;
        yield chunk;
      }
      await after?.(async (next) => (await connection.runAndReadAll(next)).getRowObjectsJS());
    } finally {
      this.streaming.delete(connection);
      connection.closeSync();
    }
  }

  /** Share of the statement that is running, in [0, 1]; undefined where DuckDB cannot tell. */
  get progress(): number | undefined {
    const { percentage } = this.connection.progress;
    return percentage >= 0 ? Math.min(1, percentage / 100) : undefined;
  }

  /** Stops the statements that are running, which then reject. */
  interrupt(): void {
    for (const connection of [this.connection, ...this.streaming]) connection.interrupt();
  }

  close(): void {
    this.connection.closeSync();
    this.instance.closeSync();
  }
}

/** A string literal of SQL. */
export function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** A quoted SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
