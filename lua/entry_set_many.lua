-- entry_set_many: store several values under the stamps of this moment, all or nothing
-- KEYS[1..] the entries, then their leases, then the tags
-- ARGV[1] how many entries
-- ARGV[2] ttl in ms, 0 none
-- ARGV[3] ttl of tags in ms, 0 none
-- ARGV[4] last or first: which writes arm the ttl
-- ARGV[5..] for each entry the bytes before the stamps, and the value; then one new stamp a tag; or the stamps, and stamps that count no more
-- returns {'ok'} | {'stale', stamps}
-- writes KEYS[1..ARGV[1]]
-- empty {'ok'}
-- @include lib/entry
-- @include lib/tags
-- @include lib/overtaken
local count, kept = tonumber(ARGV[1]), {}
local current = stamps(2 * count + 1, #KEYS - 2 * count, ARGV[3], 5 + 2 * count)
for i = 1, count do
  local other = overtaken(KEYS[i], current, #KEYS == 2 * count and ARGV[6 + 2 * count])
  if other then return {'stale', other} end
end
if ARGV[4] == 'first' then
  for i = 1, count do
    local there, grace, left = usable(KEYS[i], current)
    kept[i] = {grace, there and left}
  end
end
for i = 1, count do
  local grace, left = unpack(kept[i] or {})
  redis.call('DEL', KEYS[count + i])
  write(KEYS[i], ARGV[3 + 2 * i] .. current .. ARGV[4 + 2 * i], ARGV[2], grace, left)
end
return {'ok'}
