import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAM =
  process.env.POWERFLOW_PROGRAM ?? new URL("../../../target/debug/powerflow", import.meta.url).pathname;
export const USER = "isadmin";
export const PASSWORD = "a password of the tests";

/** What the API answers a test. */
export interface Answer<T> {
  status: number;
  body: T;
  headers: Headers;
}

function freePort(): Promise<number> {
  return new Promise((found, failed) => {
    const server = createServer();
    server.once("error", failed);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => found(typeof address === "object" && address ? address.port : 0));
    });
  });
}

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** The real program with a database of its own: SQLite in a folder that goes with it. */
export class Service {
  private readonly folder = mkdtempSync(join(tmpdir(), "powerflow-ui-"));
  private process: ChildProcess | null = null;
  private port = 0;
  private said = "";

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    this.port ||= await freePort();
    const password = join(this.folder, "password");
    writeFileSync(password, PASSWORD, { mode: 0o600 });
    const settings = {
      "data.directory": join(this.folder, "data"),
      "server.listen": `127.0.0.1:${this.port}`,
      "auth.admin_password_file": password,
      "server.drain_timeout": "2s",
    };
    const args = [
      "serve",
      ...Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]),
    ];
    const child = spawn(PROGRAM, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.process = child;
    const hear = (text: Buffer) => (this.said = (this.said + text.toString()).slice(-8_000));
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    for (const end = Date.now() + 60_000; Date.now() < end; await pause(50)) {
      if (child.exitCode !== null) throw new Error(`the service ended:\n${this.said}`);
      const ready = await fetch(`${this.url}/readyz`).catch(() => null);
      if (ready?.ok) return this.warm();
    }
    throw new Error(`the service is not ready after a minute:\n${this.said}`);
  }

  /** Has the built-in SyncPack compiled, which a program that is not optimised takes seconds for. */
  private async warm(): Promise<void> {
    const operator = { name: "warm", operator: "transform", template: "1" };
    const { status, body } = await this.api("POST", "/operators/preview", { operator });
    if (status !== 200) throw new Error(`no preview: ${JSON.stringify(body)}`);
  }

  /** As a machine that loses power does. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.process;
    this.process = null;
    if (!child || child.exitCode !== null) return;
    const over = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await over;
  }

  async stop(): Promise<void> {
    await this.end("SIGTERM");
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Asks the API as the administrator. */
  async api<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: {
        Authorization: `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString("base64")}`,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: (text ? JSON.parse(text) : null) as T,
      headers: response.headers,
    };
  }

  /** Saves an application, whatever there is of its name. */
  async application(document: { name: string } & Record<string, unknown>): Promise<void> {
    const saved = await this.api("POST", "/applications", { author: "tests", ...document });
    if (saved.status >= 300) throw new Error(JSON.stringify(saved.body));
  }

  /** Starts an application and waits for its end; answers the run. */
  async run(
    name: string,
    params: Record<string, unknown> = {},
    wait = 30,
  ): Promise<{ task_id: string; state: string }> {
    const { status, body } = await this.api<{ task_id: string; state: string }>(
      "POST",
      `/applications/run?wait=${wait}`,
      { name, params },
    );
    if (status >= 300) throw new Error(JSON.stringify(body));
    return body;
  }
}
