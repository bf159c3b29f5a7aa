-- operand_stage: put members of a wide key of another slot into its copy, which lives that long from now on
-- KEYS[1] the copy
-- ARGV[1] how many ms the copy lives
-- ARGV[2] SADD, ZADD or HSET
-- ARGV[3] SCARD, ZCARD or HLEN
-- ARGV[4] how many members it has at least: with fewer it was lost meanwhile
-- ARGV[5] how many fields of those that follow expire by themselves
-- ARGV[6..] field and time (ms since 1970) of those, then what the command of ARGV[2] takes
-- returns {'ok', members by now} | {'lost'}
-- writes KEYS[1]
-- retry safe
-- empty {'ok', distinct ARGV[6..]} when ARGV[2] is SADD
-- empty {'ok', distinct ARGV[6..] by 2}
-- @include lib/each
local copy, ends = KEYS[1], 2 * tonumber(ARGV[5])
if redis.call(ARGV[3], copy) < tonumber(ARGV[4]) then
  redis.call('UNLINK', copy)
  return {'lost'}
end
each(ARGV[2], copy, ARGV, 6 + ends)
for i = 6, 5 + ends, 2 do redis.call('HPEXPIREAT', copy, ARGV[i + 1], 'FIELDS', 1, ARGV[i]) end
redis.call('PEXPIRE', copy, ARGV[1])
return {'ok', redis.call(ARGV[3], copy)}
