-- Update: ARGV[4] room, [5] fence, then the details to change in pairs of a name and JSON, '' for none.
-- Returns fenced, or ok and the lease.
local room, fence = ARGV[4], ARGV[5]

local l = read_lease(room)
if not holds(l, fence) then return { 'fenced' } end
local changed = false
if l.state == 'live' then
  for i = 6, #ARGV, 2 do
    local field, value = ARGV[i], ARGV[i + 1]
    changed = changed or (l[field] or '') ~= value
    l[field] = value
  end
end
if changed then
  tell_on_air(l, 'live.updated')
  write_lease(l)
end
return done(flatten(l))
