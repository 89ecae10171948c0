/* SPDX-License-Identifier: MIT */
/* Version policy (spec 01 §5.3, 02 §2): the floor on the core, then the list byte for byte. */
#include "check.h"

#include "service/definition.h"
#include "service/version_policy.h"

static void check_verdict(const char *wanted, const char *floor, const char *listed, enum version_verdict want)
{
    const char *const list[] = {listed};
    struct definition definition = {
        .min_version = floor, .version_allow_list = list, .n_version_allow_list = listed != NULL};

    check_int(version_policy(&definition, slice_from(wanted)), want);
}

static void test_floor(void)
{
    check_verdict("1.9.9", "1.10.0", NULL, VERSION_BELOW_MIN);
    check_verdict("1.10.0", "1.10.0", NULL, VERSION_ALLOWED);
    check_verdict("1.10.0-alpha", "1.10.0", NULL, VERSION_ALLOWED);
    check_verdict("1.10.1-rc.1", "1.10.0", NULL, VERSION_ALLOWED);
    check_verdict("1.9.9", "1.10.0-rc.1", NULL, VERSION_BELOW_MIN);
    check_verdict("0.99.99", "1.0.0", NULL, VERSION_BELOW_MIN);
    check_verdict("2.0.0", "1.99.99", NULL, VERSION_ALLOWED);
    check_verdict("1.2.3", "1.2.4", NULL, VERSION_BELOW_MIN);
    check_verdict("0.0.0", "", NULL, VERSION_ALLOWED);
}

static void test_long_numbers(void)
{
    check_verdict("0.0.18446744073709551616", "1.0.0", NULL, VERSION_BELOW_MIN);
    check_verdict("18446744073709551616.0.0", "18446744073709551615.0.0", NULL, VERSION_ALLOWED);
    check_verdict("18446744073709551615.0.0", "18446744073709551616.0.0", NULL, VERSION_BELOW_MIN);
    check_verdict("1.0.0", "000000000000000000000000000000001.0.0", NULL, VERSION_ALLOWED);
    check_int(version_compare_core(SLICE("007.1.2"), SLICE("7.01.2-x")), 0);
    check_int(version_compare_core(SLICE("0.0.0"), SLICE("00.000.0")), 0);
}

static void test_list(void)
{
    check_verdict("1.12.0", "1.10.0", "1.11.20", VERSION_NOT_LISTED);
    check_verdict("1.11.20", "1.10.0", "1.11.20", VERSION_ALLOWED);
    check_verdict("01.11.20", "", "1.11.20", VERSION_NOT_LISTED);
    check_verdict("1.11.20-rc.1", "", "1.11.20", VERSION_NOT_LISTED);
    check_verdict("1.9.0", "1.10.0", "1.9.0", VERSION_BELOW_MIN);
}

CHECK_PROGRAM("service/version", {"the floor counts the core only", test_floor},
              {"numbers of any length", test_long_numbers}, {"the list is byte for byte, behind the floor", test_list})
