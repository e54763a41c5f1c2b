-- What every script on leases has after partition.lua and view.lua: one step of the state machine in lease.go, on the
-- leases in Redis.
--
-- KEYS[1] partition and [2] log, as in partition.lua
-- KEYS[3] followers  hash: durable follower -> seq up to which it has finished
-- KEYS[4] deadlines  sorted set: room -> when its window or handover ends, in ms on the partition's clock
-- KEYS[5] held       set of the rooms whose lease is not offline
-- KEYS[6] dead       sorted set: a life of a node that was declared dead -> when this partition was told, Unix ms
-- KEYS[7] ended      sorted set: id of a broadcast that ended lately -> when, Unix ms
-- ARGV[3] kept       how many transitions stay although all followers are past them
-- The scripts' own arguments begin at ARGV[4].
--
-- Further keys of rooms and lives: base .. 'lease:' .. room as in view.lua; base .. 'online:' .. room, a string with a
-- time to live; base .. 'of:' .. life, the set of rooms held by a node in that life; base .. 'void:' .. connection, which
-- is there while claims of that connection may come late.

local kept = tonumber(ARGV[3])
local max_sweep_step = 3000 -- as in clock.go
local told = false

local function is_held(l) return l.state == 'online' or l.state == 'live' end

-- holds tells whether a fence, which is text, is that of the current holder.
local function holds(l, fence) return is_held(l) and l.fence == fence end

local function is_dead(life) return redis.call('ZSCORE', KEYS[6], life) end

-- flatten returns a lease's fields as names and values in turn.
local function flatten(l)
  local flat = {}
  for field, value in pairs(l) do
    flat[#flat + 1] = field
    flat[#flat + 1] = value
  end
  return flat
end

-- write_lease keeps in step with the lease: the set of held rooms, those of its node's lives, the deadline and the
-- presence key.
local function write_lease(l)
  local key = base .. 'lease:' .. l.room
  local life = redis.call('HGET', key, 'life')
  if life and life ~= l.life then redis.call('SREM', base .. 'of:' .. life, l.room) end
  if l.life and l.life ~= life then redis.call('SADD', base .. 'of:' .. l.life, l.room) end
  redis.call('DEL', key)
  if l.state ~= 'reconnecting' and not l.handed then redis.call('ZREM', KEYS[4], l.room) end
  if not is_held(l) then redis.call('DEL', base .. 'online:' .. l.room) end
  if l.state == 'offline' then
    redis.call('SREM', KEYS[5], l.room)
    return
  end
  l.under = epoch
  redis.call('HSET', key, unpack(flatten(l)))
  redis.call('SADD', KEYS[5], l.room)
end

-- trim drops what every durable follower has finished with, but for the last ones.
local function trim(seq)
  local up_to = seq - kept
  for _, done in ipairs(redis.call('HVALS', KEYS[3])) do up_to = math.min(up_to, tonumber(done)) end
  if up_to > 0 then redis.call('XTRIM', KEYS[2], 'MINID', int(up_to + 1) .. '-0') end
end

-- tell appends a transition to the log; the lease must be as it is afterwards. Its fields are those of
-- presence.Transition; rooms/lua/apply.lua reads them too.
local function tell(l, kind, broadcast, reason)
  local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
  redis.call('XADD', KEYS[2], int(seq) .. '-0', 'kind', kind, 'room', l.room, 'at', int(now), 'user', l.user,
    'broadcast', broadcast or '', 'reason', reason or l.reason or '', 'until', l.ends or '', 'after', view_of(l),
    'fence', l.fence, 'connection', l.connection or '', 'node', l.node or '', 'life', l.life or '', 'window', l.window or '')
  if seq % kept == 0 then trim(seq) end
  told = true
end

-- tell_on_air tells of the running broadcast, whose version it moves on.
local function tell_on_air(l, kind)
  l.version = int(tonumber(l.version) + 1)
  tell(l, kind, broadcast_of(l))
end

local function drop_broadcast(l)
  for _, field in ipairs({ 'broadcast', 'title', 'category', 'language', 'tags', 'started', 'version', 'window', 'ends', 'reason' }) do
    l[field] = nil
  end
end

local function end_broadcast(l, next_state, reason)
  l.version = int(tonumber(l.version) + 1)
  local last = broadcast_of(l)
  redis.call('ZADD', KEYS[7], int(now), l.broadcast)
  l.state = next_state
  drop_broadcast(l)
  tell(l, 'live.ended', last, reason)
end

local function let_go(l) l.connection, l.node, l.life, l.handed, l.hearsay, l.replaced = nil, nil, nil, nil, nil, nil end

local function go_offline(l, reason)
  if l.broadcast then end_broadcast(l, 'online', reason) end
  l.state = 'offline'
  let_go(l)
  tell(l, 'streamer.offline')
end

-- read_clock reads the clock on which windows run, without moving it on. It stands still while nodes put back what was
-- lost: who would end a window does not know yet who is there.
local settling = 5000
local function settled_at()
  local since = tonumber(redis.call('HGET', KEYS[1], 'since') or 0)
  return since <= now and since + settling or 0 -- unless the clock was set back
end

local function read_clock()
  local at, swept = unpack(redis.call('HMGET', KEYS[1], 'clock', 'swept'))
  local passed = now - math.max(tonumber(swept or now), settled_at())
  return tonumber(at or 0) + math.min(math.max(passed, 0), max_sweep_step)
end

-- release takes the lease from its holder. window is for a broadcast that named none, in ms; 0: the reason is final.
-- least is how long it is whatever the broadcast named.
local function release(l, reason, window, least)
  if window > 0 then window = math.max(tonumber(l.window or window), least) end
  if l.state == 'live' and window > 0 then
    l.state, l.reason = 'reconnecting', reason
    let_go(l)
    l.seen, l.ends = int(now), int(now + window)
    redis.call('ZADD', KEYS[4], int(read_clock() + window), l.room)
    tell_on_air(l, 'live.reconnecting')
  else
    go_offline(l, reason)
  end
end

-- note_fence keeps the fences to come above this one.
local function note_fence(fence)
  local last = tonumber(redis.call('HGET', KEYS[1], 'fence') or 0)
  if tonumber(fence) > last then redis.call('HSET', KEYS[1], 'fence', fence) end
end

-- A lease's 'replaced' names those from whom newer connections took it, and who have not been heard to be gone since, the
-- last one first. A line each: connection, node, life, fence, ms of a handover, and when, in Unix ms. It is out of date
-- when a claim can't be under way any more: by then they are closed, or their node is dead, which is known for longer.
local replaced_line = '([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^\n]*)\n()'
local late, most_replaced = 600000, 4

-- note_replaced is called before a newer connection takes the lease.
local function note_replaced(l)
  local lines = string.format('%s %s %s %s %s %s\n', l.connection, l.node, l.life or '', l.fence, l.handed or '', int(now)) .. (l.replaced or '')
  local n = 0
  for _, _, _, _, _, _, stop in string.gmatch(lines, replaced_line) do
    n = n + 1
    if n == most_replaced then lines = string.sub(lines, 1, stop - 1) end
  end
  l.replaced = lines
end

-- forget_replaced is told the fence or the connection of one who is gone, and whether that was news.
local function forget_replaced(l, who)
  local left = ''
  for connection, node, life, fence, handed, at in string.gmatch(l.replaced or '', replaced_line) do
    if connection ~= who and fence ~= who then
      left = left .. string.format('%s %s %s %s %s %s\n', connection, node, life, fence, handed, at)
    end
  end
  if left == (l.replaced or '') then return false end
  l.replaced = left ~= '' and left or nil
  return true
end

-- give_back gives the lease to whom its holder had taken it from, under the fence that they know, if anybody is left
-- there. That is no transition for anybody but the nodes. staying: not to whom was handed over then, as their node is about
-- to go, or has gone, and it may be known that they have.
local function give_back(l, staying)
  for connection, node, life, fence, handed, at, stop in string.gmatch(l.replaced or '', replaced_line) do
    if now - tonumber(at) < late and (life == '' or not is_dead(life)) and not (staying and handed ~= '') then
      l.connection, l.node, l.life, l.fence = connection, node, life ~= '' and life or nil, fence
      l.handed = handed ~= '' and handed or nil
      local left = string.sub(l.replaced, stop)
      l.replaced = left ~= '' and left or nil
      if l.handed then redis.call('ZADD', KEYS[4], int(read_clock() + tonumber(handed)), l.room) end
      tell(l, 'lease.moved')
      return true
    end
  end
  return false
end

-- void_key is there if a claim of the connection is not to be carried out any more.
local function void_key(connection) return base .. 'void:' .. connection end

-- done ends a script that changes leases: it wakes the followers if there is news.
local function done(...)
  if told then redis.call('SPUBLISH', base .. 'news', '') end
  return { 'ok', ... }
end
