// Node's clocks and ways of waiting, as in clock.py.
const { setTimeout: sleep } = require('node:timers/promises');
const { spawnSync } = require('node:child_process');

const ways = {
  setTimeout: (ms) => sleep(ms),
  AbortSignal: (ms) =>
    new Promise((resolve) => {
      const keepAlive = setInterval(() => {}, 10);
      AbortSignal.timeout(ms).onabort = () => (clearInterval(keepAlive), resolve());
    }),
  'Atomics.wait': (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
  spawnSync: (ms) => spawnSync('sleep', ['1000'], { timeout: ms }),
};

async function answer(line) {
  const [verb, way, seconds] = line.split(' ');
  if (verb === 'now') {
    const date = new Date();
    console.log(`Date.now 1000000 ${Date.now()}000000 toISOString 1000000 ${Date.parse(date.toISOString())}000000`);
  } else {
    console.log('begun');
    await ways[way](Number(seconds) * 1000);
    console.log('ended');
  }
}

(async () => {
  for await (const line of require('node:readline').createInterface({ input: process.stdin })) {
    await answer(line);
  }
})();
