-- Follow: ARGV[4] name of a durable follower, [5] the position up to which it has finished, or '' to register it: one
-- that is new begins with the oldest that is kept. Positions do not go back. Returns ok, the position as text, the
-- epoch, and 1 if this call began it. Without a name it tells only these.
local name, up_to = ARGV[4], ARGV[5]
if name == '' then return { 'ok', '0', epoch, begun and 1 or 0 } end

local at = redis.call('HGET', KEYS[3], name)
if not at then
  local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  at = oldest and int(tonumber(string.match(oldest[1], '^%d+')) - 1) or redis.call('HGET', KEYS[1], 'seq') or '0'
end
if up_to ~= '' and tonumber(up_to) > tonumber(at) then at = up_to end
redis.call('HSET', KEYS[3], name, at)
return { 'ok', at, epoch, begun and 1 or 0 }
