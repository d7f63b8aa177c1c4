/** What the server knows. What is not given is not set. */
export interface Host {
  /** What `config` finds. */
  config?: Record<string, string>;
  requestId?: string;
  /** The name that the plugin was pushed under. */
  plugin?: string;
  version?: number;
  deadline?: Date;
}

/** What one call did. */
export interface Result {
  /** What the caller receives; null when the call failed. */
  output: Uint8Array | null;
  /** The output as text. */
  text: string | null;
  /** The message of a call that failed; null when it succeeded. */
  error: string | null;
  /** The handler failed by throwing. */
  trapped: boolean;
  log: { level: "debug" | "info" | "warn" | "error"; message: string }[];
  progress: { done: number; total: number; message: string }[];
}

/** Runs a plugin's handlers under Node. */
export class Plugin {
  /** Compiles the plugin in a file. */
  static load(file: string | URL, host?: Host): Promise<Plugin>;

  constructor(module: WebAssembly.Module, host?: Host);

  /** Calls a handler, the one named handle unless another is named. */
  call(input: string | Uint8Array, name?: string): Result;
}
