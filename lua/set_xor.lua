-- set_xor: the members that are in only one of two sets
-- KEYS[1] the first set
-- KEYS[2] the second set
-- returns {'ok', members of the first, members of the second}
-- reads
-- empty {'ok', {}, {}}
return {'ok', redis.call('SDIFF', KEYS[1], KEYS[2]), redis.call('SDIFF', KEYS[2], KEYS[1])}
