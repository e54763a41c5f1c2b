/** The nodes of the service. */
export const nodes = {
  title: 'Nodes',
  table: 'Nodes',
  columns: {
    node: 'Node',
    state: 'State',
    connections: 'Connections',
    memory: 'Memory',
    redis: 'Redis lag',
    goroutines: 'Goroutines',
    up: 'Up for',
    version: 'Version',
    act: 'Drain',
  },
  self: 'answers here',
  scope: 'admin',
  empty: 'No node is known.',
  states: { serving: 'Serving', draining: 'Draining', drained: 'Empty', silent: 'Not heard' },
  memory: (mebibytes: string) => `${mebibytes} MiB`,
  redis: (ms: string) => `${ms} ms`,
  noRedis: 'without Redis',
  emptying: (left: number, all: number) => `${left} of ${all} connections left`,
  emptied: 'Nobody is connected to it: it can be stopped.',
  done: 'Done',
  drain: {
    action: 'Drain',
    title: (node: string) => `Drain ${node}?`,
    text: (connections: number | undefined) => {
      if (connections === 0) return 'Nobody is connected to it now, and it admits nobody any more until it is started anew.';
      const whose = connections === undefined ? 'Its connections are' : connections === 1 ? 'Its one connection is' : `Its ${connections} connections are`;
      return `${whose} sent to the other nodes, bit by bit. Nobody’s broadcast ends. It admits nobody any more until it is started anew.`;
    },
    last: 'There is no other node that serves: everybody is sent away with nowhere to go until one does, and broadcasts may end. It admits nobody any more until it is started anew.',
    self: 'This page gets its answers from this node, and may have to be loaded anew.',
    confirm: 'Drain it',
  },
};
