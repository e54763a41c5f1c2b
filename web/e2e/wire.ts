import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A wire between a browser and a node that can be cut and mended. */
export interface Wire {
  /** The same link, by way of this wire. */
  through: (link: string) => string;
  /** Resets what is connected, and everything new until `mend`. */
  cut: () => void;
  mend: () => void;
  /** Leads to another node from now on, as a balancer does when one is gone. */
  lead: (link: string) => void;
  close: () => Promise<void>;
}

export async function newWire(to: string): Promise<Wire> {
  const first = new URL(to);
  let target = first;
  const sockets = new Set<Socket>();
  let whole = true;
  const server = createServer((near) => {
    if (!whole) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(Number(target.port), target.hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const reset = () => sockets.forEach((socket) => socket.resetAndDestroy());
  return {
    through: (link) => link.replace(first.host, `127.0.0.1:${port}`),
    cut: () => {
      whole = false;
      reset();
    },
    mend: () => {
      whole = true;
    },
    lead: (link) => {
      target = new URL(link);
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      reset();
      await closed;
    },
  };
}
