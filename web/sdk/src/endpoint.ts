/** The addresses of a service. */
export interface Endpoint {
  /** Where the socket is opened. */
  socket: string;
  /** Where to ask why a socket was refused: a browser cannot read a failed upgrade. */
  validate: string;
}

/**
 * The addresses below a base such as `https://live.example.org`, `ws://localhost:8080` or one that already ends in
 * `/v1/ws`.
 */
export function endpoint(base: string | URL): Endpoint {
  const url = new URL(base);
  url.search = '';
  url.hash = '';
  const prefix = url.pathname.replace(/\/v1\/ws\/?$/, '').replace(/\/$/, '');
  const secure = url.protocol === 'https:' || url.protocol === 'wss:';
  return {
    socket: `${secure ? 'wss' : 'ws'}://${url.host}${prefix}/v1/ws`,
    validate: `${secure ? 'https' : 'http'}://${url.host}${prefix}/v1/validate`,
  };
}
