-- What every script on leases begins with: one step of the state machine in lease.go, on the leases in Redis.
--
-- KEYS[1] partition  hash: seq of the last transition, fence (the last one given), clock and swept of the sweeps
-- KEYS[2] log        stream of transitions, ids <seq>-0
-- KEYS[3] followers  hash: durable follower -> seq up to which it has finished
-- KEYS[4] deadlines  sorted set: room -> when its window ends, in ms on the partition's clock
-- KEYS[5] held       set of the rooms whose lease is not offline
-- ARGV[1] base       what the names of all keys of this partition begin with. A room's own keys are made from it, since
--                    a sweep does not know beforehand which it will touch: base .. 'lease:' .. room, a hash, and
--                    base .. 'online:' .. room, a string with a time to live.
-- ARGV[2] kept       how many transitions stay although all followers are past them
-- The scripts' own arguments begin at ARGV[3].
--
-- Numbers that do not fit into 14 digits lose some when Lua prints them: they are kept as text, or printed by int.
-- JSON is put together from pieces that Go has encoded; nothing here parses any.

local base, kept = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local max_sweep_step = 3000 -- as in clock.go
local told = false

local function int(n) return string.format('%.0f', n) end

local function read_lease(room)
  local l = { room = room, state = 'offline' }
  local flat = redis.call('HGETALL', base .. 'lease:' .. room)
  for i = 1, #flat, 2 do l[flat[i]] = flat[i + 1] end
  return l
end

local function is_held(l) return l.state == 'online' or l.state == 'live' end

-- holds tells whether a fence, which is text, is that of the current holder.
local function holds(l, fence) return is_held(l) and l.fence == fence end

-- flatten returns a lease's fields as names and values in turn.
local function flatten(l)
  local flat = {}
  for field, value in pairs(l) do
    flat[#flat + 1] = field
    flat[#flat + 1] = value
  end
  return flat
end

-- write_lease keeps the lease, the set of held rooms, the deadline and the presence key in step.
local function write_lease(l)
  local key = base .. 'lease:' .. l.room
  redis.call('DEL', key)
  if l.state ~= 'reconnecting' then redis.call('ZREM', KEYS[4], l.room) end
  if not is_held(l) then redis.call('DEL', base .. 'online:' .. l.room) end
  if l.state == 'offline' then
    redis.call('SREM', KEYS[5], l.room)
    return
  end
  redis.call('HSET', key, unpack(flatten(l)))
  redis.call('SADD', KEYS[5], l.room)
end

-- broadcast_of and view_of are the JSON of presence.Broadcast and presence.View.
local function broadcast_of(l)
  local json = '{"id":"' .. l.broadcast .. '"'
  for _, field in ipairs({ 'title', 'category', 'language', 'tags' }) do
    if (l[field] or '') ~= '' then json = json .. ',"' .. field .. '":' .. l[field] end
  end
  return json .. ',"started_at":' .. l.started .. ',"version":' .. l.version .. '}'
end

local function view_of(l)
  if l.state == 'offline' then return '{"state":"offline"}' end
  local json = '{"state":"' .. l.state .. '","user":' .. l.user
  if l.broadcast then json = json .. ',"broadcast":' .. broadcast_of(l) end
  if l.ends then json = json .. ',"until":' .. l.ends end
  if l.reason then json = json .. ',"reason":"' .. l.reason .. '"' end
  return json .. '}'
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
    'broadcast', broadcast or '', 'reason', reason or l.reason or '', 'until', l.ends or '', 'after', view_of(l))
  if seq % kept == 0 then trim(seq) end
  told = true
end

-- tell_on_air tells of the running broadcast, whose version it moves on.
local function tell_on_air(l, kind)
  l.version = int(tonumber(l.version) + 1)
  tell(l, kind, broadcast_of(l))
end

local function end_broadcast(l, next_state, reason)
  l.version = int(tonumber(l.version) + 1)
  local last = broadcast_of(l)
  l.state = next_state
  for _, field in ipairs({ 'broadcast', 'title', 'category', 'language', 'tags', 'started', 'version', 'window', 'ends', 'reason' }) do
    l[field] = nil
  end
  tell(l, 'live.ended', last, reason)
end

local function go_offline(l, reason)
  if l.broadcast then end_broadcast(l, 'online', reason) end
  l.state, l.connection, l.node = 'offline', nil, nil
  tell(l, 'streamer.offline')
end

-- read_clock reads the clock on which windows run, without moving it on.
local function read_clock()
  local at, swept = unpack(redis.call('HMGET', KEYS[1], 'clock', 'swept'))
  local since = now - tonumber(swept or now)
  return tonumber(at or 0) + math.min(math.max(since, 0), max_sweep_step)
end

-- done ends a script that changes leases: it wakes the followers if there is news.
local function done(...)
  if told then redis.call('SPUBLISH', base .. 'news', '') end
  return { 'ok', ... }
end
