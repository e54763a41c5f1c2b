-- Assert: a node says what it knows of leases. Where data were lost it puts them back, merging with what others put
-- back: the higher fence names the holder, the later broadcast and its higher version are the ones that count. Where
-- nothing was lost it takes back what it held in an earlier life and nobody took meanwhile.
--
-- ARGV[4] loss      1: the caller's knowledge is of an earlier epoch
-- ARGV[5] seen      the seq up to which the caller had read the log
-- ARGV[6] complete  1: this is the last of its calls, and together they named all leases that it knew
-- ARGV[7] lasts     ms that a presence key lasts
-- ARGV[8] windows   ms of the window if the broadcast named none, after a node was lost, [9] otherwise; [10] ms that it
--                   lasts at least if it was a node that went
-- ARGV[11] how many broadcasts follow that the caller knows to have ended, each as its room and its id; then, for each
-- lease: own (1: the caller holds it), the number of its fields, and these as names and values in turn.
-- Returns dead if the caller's life is over; or ok and, for each lease of its own: kept and the lease as it is now;
-- fenced, if somebody else holds it; or lost, if it ended.
local loss, seen, complete, lasts = ARGV[4] == '1', tonumber(ARGV[5]), ARGV[6] == '1', ARGV[7]
local lost_window, window, least = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])

local before, since = unpack(redis.call('HMGET', KEYS[1], 'before', 'since'))
before = tonumber(before)

if loss then
  if since == '0' then redis.call('HSET', KEYS[1], 'since', int(now)) end
  if seen > tonumber(redis.call('HGET', KEYS[1], 'seq')) then -- the clock was set back: followers must see a gap all the same
    redis.call('HSET', KEYS[1], 'seq', int(seen + 1), 'first', int(seen + 1))
    redis.call('XADD', KEYS[2], int(seen + 1) .. '-0', 'kind', 'epoch')
    told = true
  end
end

local function is_ended(broadcast) return broadcast and redis.call('ZSCORE', KEYS[7], broadcast) end

-- hearsay_of returns how much whoever put the lease back had read of the log; nil if its holder confirmed it.
local function hearsay_of(l)
  if l.state == 'offline' then return nil end
  if l.under ~= epoch then return before end
  return tonumber(l.hearsay)
end

-- is_later compares the broadcasts of two leases. Ids are UUIDv7: they sort by their start.
local function is_later(a, b)
  if not a.broadcast then return false end
  if not b.broadcast or a.broadcast > b.broadcast then return true end
  return a.broadcast == b.broadcast and tonumber(a.version) > tonumber(b.version)
end

local function take_broadcast(l, m)
  drop_broadcast(l)
  for _, field in ipairs({ 'broadcast', 'title', 'category', 'language', 'tags', 'started', 'version', 'window' }) do
    l[field] = m[field]
  end
  l.state = 'live'
end

local function take_holder(l, m)
  l.uid, l.user, l.fence = m.uid, m.user, m.fence
  l.connection, l.node, l.life, l.handed = m.connection, m.node, m.life, m.handed
end

-- put writes a lease that was put back, and tells of it if that changes what everybody sees. A window begins anew: for
-- how long nobody could come back is not known.
local function put(l, hearsay, shown)
  l.hearsay = hearsay
  if l.state == 'reconnecting' then
    let_go(l)
    l.hearsay = hearsay
    local wait = tonumber(l.window or (l.reason == 'node_lost' and lost_window or window))
    if l.reason ~= 'connection_lost' then wait = math.max(wait, least) end
    -- Never less than everybody was told, but no more than any window has: the clock may have been set back.
    wait = math.max(wait, math.min(tonumber(l.ends or 0) - now, math.max(tonumber(l.window or 0), lost_window)))
    l.ends = int(now + wait)
    redis.call('ZADD', KEYS[4], int(read_clock() + wait), l.room)
  end
  if l.handed then redis.call('ZADD', KEYS[4], int(read_clock() + tonumber(l.handed)), l.room) end
  l.seen = l.seen or int(now)
  note_fence(l.fence)
  write_lease(l)
  if is_held(l) and not hearsay then redis.call('SET', base .. 'online:' .. l.room, l.uid, 'PX', lasts) end
  if view_of(l) ~= shown then tell(l, 'lease.restored') end
end

-- own is for a lease that the caller holds, as far as it knows.
local function own(m)
  local l = read_lease(m.room)
  local shown, hearsay = view_of(l), hearsay_of(l)
  if hearsay then shown = '' end
  if l.state == 'offline' then
    if not loss then return { 'lost' } end
    put(m, nil, shown)
    return { 'kept', flatten(m) }
  end
  if is_ended(l.broadcast) then
    if l.state == 'reconnecting' then take_holder(l, m) end
    drop_broadcast(l)
    l.state = 'online'
  end
  if tonumber(l.fence) > tonumber(m.fence) then
    if loss and l.uid == m.uid and is_later(m, l) then
      take_broadcast(l, m)
      put(l, l.hearsay, shown)
    end
    return { 'fenced' }
  end
  local resumed = l.state == 'reconnecting' and not is_later(m, l)
  if l.uid ~= m.uid then drop_broadcast(l) end
  take_holder(l, m)
  if is_later(m, l) then take_broadcast(l, m) end
  if resumed then
    l.state, l.ends, l.reason, l.hearsay = 'live', nil, nil, nil
    l.seen = int(now)
    tell_on_air(l, 'live.resumed')
    shown = view_of(l)
  end
  put(l, nil, shown)
  return { 'kept', flatten(l) }
end

-- remove is for a lease of which only hearsay is left, and which had ended.
local function remove(l)
  if l.broadcast then redis.call('ZADD', KEYS[7], 'NX', int(now), l.broadcast) end
  drop_broadcast(l)
  l.state = 'offline'
  let_go(l)
  write_lease(l)
  tell(l, 'lease.restored')
end

-- others is for a lease that the caller only knows of.
local function others(m)
  local l = read_lease(m.room)
  local shown, hearsay = view_of(l), hearsay_of(l)
  if l.state == 'offline' then
    if m.state ~= 'online' or now < settled_at() then put(m, int(seen), shown) end
  elseif not hearsay then
    local same = l.broadcast and l.broadcast == m.broadcast
    if l.uid == m.uid and m.broadcast and (not l.broadcast or same and tonumber(m.version) > tonumber(l.version)) then
      if same then l.version = m.version else take_broadcast(l, m) end
      put(l, nil, shown)
    end
  elseif seen >= hearsay or l.broadcast == m.broadcast and is_later(m, l) then
    if l.broadcast == m.broadcast and is_later(l, m) then return end
    if l.state == m.state and l.broadcast == m.broadcast and l.version == m.version and tonumber(l.fence) >= tonumber(m.fence) then
      l.hearsay = int(math.max(seen, hearsay)) -- they agree: a window that runs goes on
      write_lease(l)
      return
    end
    if tonumber(l.fence) > tonumber(m.fence) and is_held(l) and is_held(m) then take_holder(m, l) end
    put(m, int(math.max(seen, hearsay)), shown)
  end
end

local at = 11
for _ = 1, tonumber(ARGV[at]) do
  local room, id = ARGV[at + 1], ARGV[at + 2]
  at = at + 2
  redis.call('ZADD', KEYS[7], 'NX', int(now), id)
  local l = read_lease(room)
  if hearsay_of(l) and l.broadcast == id then remove(l) end
end
local results = {}
while at < #ARGV do
  local is_own, fields = ARGV[at + 1] == '1', tonumber(ARGV[at + 2])
  local m = {}
  for i = at + 3, at + 2 + 2 * fields, 2 do m[ARGV[i]] = ARGV[i + 1] end
  at = at + 2 + 2 * fields
  if is_own and m.life and is_dead(m.life) then return { 'dead' } end
  local over = is_ended(m.broadcast)
  if is_own then
    if over then
      m.state = 'online'
      drop_broadcast(m)
    end
    results[#results + 1] = own(m)
  elseif not over then -- or what the caller knows is out of date
    others(m)
  end
end

-- What survived, or was put back by somebody who knew less, and is unknown to the caller: that had ended.
if loss and complete then
  for _, room in ipairs(redis.call('SMEMBERS', KEYS[5])) do
    local l = read_lease(room)
    local hearsay = hearsay_of(l)
    if hearsay and (hearsay < seen or (l.under ~= epoch and hearsay <= seen)) then remove(l) end
  end
end
return done(results)
