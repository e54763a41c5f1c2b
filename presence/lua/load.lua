-- Load: all leases that are not offline, and the position of the last transition that they reflect.
-- ARGV[4…] the fields that are wanted. Returns ok, the position as text, and of each lease the values of these. (A table of
-- each with all its fields, as other scripts make it, would keep everybody else waiting for more than twice as long.)
local leases = {}
for _, room in ipairs(redis.call('SMEMBERS', KEYS[5])) do
  leases[#leases + 1] = redis.call('HMGET', base .. 'lease:' .. room, unpack(ARGV, 4))
end
return done(redis.call('HGET', KEYS[1], 'seq') or '0', leases)
