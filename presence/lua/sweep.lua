-- Sweep: moves the partition's clock on, lets go of what dead nodes held, and ends what has waited long enough.
-- ARGV[4] lag in ms: nothing is done if the last sweep is less than that ago. [5] how many leases to change at most.
-- [6] ms of the window after a node was lost, if the broadcast named none, [7] of that after a drain, [8] ms of both at
-- least. [9…] lives of nodes that were declared dead. Returns ok, how many were changed, and 1 if the dead may hold more.
local lag, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local lost_window, drain_window, least = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local remembered = 3600000 -- ms for which the dead and the ended are known

local swept = redis.call('HGET', KEYS[1], 'swept')
if swept and now >= tonumber(swept) and now - tonumber(swept) < lag then return { 'ok', 0, 1 } end
local clock = int(read_clock())
redis.call('HSET', KEYS[1], 'clock', clock, 'swept', int(now))
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', int(now - remembered))
redis.call('ZREMRANGEBYSCORE', KEYS[7], '-inf', int(now - remembered))
for i = 9, #ARGV do redis.call('ZADD', KEYS[6], 'NX', int(now), ARGV[i]) end
-- While nodes put back what was lost, nobody is missed.
if now < settled_at() then return done(0, 1) end

local changed = 0
for i = 9, #ARGV do
  for _, room in ipairs(redis.call('SRANDMEMBER', base .. 'of:' .. ARGV[i], most - changed)) do
    local l = read_lease(room)
    if is_held(l) and l.life == ARGV[i] then
      if not give_back(l, true) then release(l, 'node_lost', lost_window, least) end
      write_lease(l)
      changed = changed + 1
    else
      redis.call('SREM', base .. 'of:' .. ARGV[i], room)
    end
  end
end
local more = changed >= most and 1 or 0
if more == 0 then
  for _, room in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', clock, 'LIMIT', 0, most - changed)) do
    local l = read_lease(room)
    if l.state == 'reconnecting' then
      go_offline(l, 'connection_lost')
      write_lease(l)
      changed = changed + 1
    elseif l.handed then
      release(l, 'drain', drain_window, least)
      write_lease(l)
      changed = changed + 1
    else
      redis.call('ZREM', KEYS[4], room)
    end
  end
end
return done(changed, more)
