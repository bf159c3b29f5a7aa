-- operand_page: some members of a wide key, for its copy in another slot
-- KEYS[1] the key
-- ARGV[1] SSCAN, ZSCAN or HSCAN
-- ARGV[2] the cursor
-- ARGV[3] about how many members
-- returns {'ok', cursor, members as the command gives them, ms since 1970 when each field expires if any does}
-- reads
-- empty {'ok', '0', {}, {}}
local cursor, found = unpack(redis.call(ARGV[1], KEYS[1], ARGV[2], 'COUNT', ARGV[3]))
local ends, any = {}, false
if ARGV[1] == 'HSCAN' then
  local fields = {}
  for i = 1, #found, 2 do fields[#fields + 1] = found[i] end
  for from = 1, #fields, 7000 do
    local some = {unpack(fields, from, math.min(from + 6999, #fields))}
    local times = redis.pcall('HPEXPIRETIME', KEYS[1], 'FIELDS', #some, unpack(some))
    if type(times) ~= 'table' or times.err then break end
    for _, each in ipairs(times) do
      ends[#ends + 1] = each
      any = any or each > 0
    end
  end
end
return {'ok', cursor, found, any and ends or {}}
