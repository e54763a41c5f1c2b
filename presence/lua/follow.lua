-- Follow: ARGV[3] name of a durable follower, [4] the position up to which it has finished, or '' to register it: one
-- that is new begins with what comes next. Positions do not go back. Returns ok and the position as text.
local name, up_to = ARGV[3], ARGV[4]

local at = redis.call('HGET', KEYS[3], name)
if not at then
  at = up_to ~= '' and up_to or redis.call('HGET', KEYS[1], 'seq') or '0'
elseif up_to ~= '' and tonumber(up_to) > tonumber(at) then
  at = up_to
end
redis.call('HSET', KEYS[3], name, at)
return { 'ok', at }
