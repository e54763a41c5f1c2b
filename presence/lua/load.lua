-- Load: all leases that are not offline, and the position of the last transition that they reflect.
-- Returns ok, the position as text, and each lease.
local leases = {}
for _, room in ipairs(redis.call('SMEMBERS', KEYS[5])) do leases[#leases + 1] = flatten(read_lease(room)) end
return done(redis.call('HGET', KEYS[1], 'seq') or '0', leases)
