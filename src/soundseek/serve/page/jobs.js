// Index jobs: started, followed as they go, stopped.
import { address, get, post, remove } from "/assets/api.js";
import { signal } from "/assets/signal.js";

/** Sent with the job whenever it has moved; with null when there is none. */
export const jobMoved = signal();

let job = null;
let events = null;

export const currentJob = () => job;
export const isRunning = (one = job) => Boolean(one) && ["queued", "running"].includes(one.state);

function take(next) {
  job = next;
  jobMoved.send(job);
}

/** Follow a job to its end; the browser reconnects by itself where the line breaks. */
function follow(id) {
  events?.close();
  const stream = new EventSource(address(`/jobs/${id}/events`));
  events = stream;
  const move = (event) => take(JSON.parse(event.data));
  const end = (event) => {
    // The browser calls a broken line an error too; that one brings no data.
    if (!event.data) return;
    stream.close();
    get(`/jobs/${id}`).then(take, () => move(event));
  };
  stream.addEventListener("progress", move);
  stream.addEventListener("done", end);
  stream.addEventListener("error", end);
}

/** Look whether the server is indexing, and follow it if so. */
export async function findJob() {
  const { jobs } = await get("/jobs");
  const running = jobs.find(isRunning);
  const last = running ?? jobs[0];
  if (last) take(last);
  if (running) follow(running.id);
}

export async function startJob(roots, captions) {
  const answer = await post("/jobs", { kind: "index", roots, captions });
  take(await answer.json());
  follow(job.id);
}

export async function stopJob() {
  const ended = await remove(`/jobs/${job.id}`);
  if (ended?.state) take(ended);
}
