-- Sweep: moves the partition's clock on and ends the broadcasts whose window has passed.
-- ARGV[3] lag in ms: nothing is done if the last sweep is less than that ago. [4] how many to end at most.
-- Returns ok and how many were ended.
local lag, most = tonumber(ARGV[3]), ARGV[4]

local swept = redis.call('HGET', KEYS[1], 'swept')
if swept and now >= tonumber(swept) and now - tonumber(swept) < lag then return { 'ok', 0 } end
local clock = int(read_clock())
redis.call('HSET', KEYS[1], 'clock', clock, 'swept', int(now))
local lapsed = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', clock, 'LIMIT', 0, most)
for _, room in ipairs(lapsed) do
  local l = read_lease(room)
  if l.state == 'reconnecting' then
    go_offline(l, 'connection_lost')
    write_lease(l)
  else
    redis.call('ZREM', KEYS[4], room)
  end
end
return done(#lapsed)
