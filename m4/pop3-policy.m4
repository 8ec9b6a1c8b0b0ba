dnl What configure looks for, one macro for each kind of thing. A thing that is
dnl missing is reported in one sentence that names Debian's package.

dnl POP3_POLICY_DOVECOT
dnl -------------------
dnl Find Dovecot by its dovecot-config, refuse versions that nobody has tried.
dnl Substitutes what DC_DOVECOT substitutes, DOVECOT_VERSION, and
dnl DOVECOT_RPATH, the linker's flag for programs that use libdovecot.
AC_DEFUN([POP3_POLICY_DOVECOT],[
	AS_IF([test "x$with_dovecot" = x || test "x$with_dovecot" = xyes], [
		for dir in "$prefix/lib/dovecot" /usr/local/lib/dovecot \
			   /usr/lib/dovecot /usr/lib64/dovecot
		do
			AS_IF([test -f "$dir/dovecot-config"],
				[with_dovecot="$dir"; break])
		done
	])
	AS_IF([test ! -f "$with_dovecot/dovecot-config"],
		[AC_MSG_ERROR([dovecot-config was not found: install Dovecot's development files (Debian: apt-get install dovecot-dev), or name its directory by --with-dovecot=DIR])])
	DC_DOVECOT

	dnl The directory of the installed libdovecot, whatever the install
	dnl directories of this package are (distcheck changes those).
	DOVECOT_RPATH="-Wl,-rpath,$abs_dovecotdir"
	AC_SUBST([DOVECOT_RPATH])
	dnl Where modules go if Dovecot's own directories are not used.
	moduledir='$(libdir)/dovecot/modules'
	AC_SUBST([moduledir])

	AC_MSG_CHECKING([for Dovecot's version])
	DOVECOT_VERSION=unknown
	for dir in $LIBDOVECOT_INCLUDE; do
		header=`echo "$dir" | $SED 's/^-I//'`/config.h
		AS_IF([test "$DOVECOT_VERSION" = unknown && test -f "$header"], [
			DOVECOT_VERSION=`$SED -n \
				's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$header"`
		])
	done
	AC_MSG_RESULT([$DOVECOT_VERSION])
	AS_CASE([$DOVECOT_VERSION],
		[2.3.18|2.3.18.*|2.3.19|2.3.19.*|2.3.20|2.3.20.*|2.3.21|2.3.21.*],
			[dovecot_2_4=no],
		[2.4|2.4.*], [dovecot_2_4=yes],
		[unknown], [AC_MSG_ERROR([Dovecot's headers were not found (searched $LIBDOVECOT_INCLUDE): install its development files (Debian: apt-get install dovecot-dev)])],
		[AC_MSG_ERROR([Dovecot $DOVECOT_VERSION is not supported: this version of dovecot-pop3-policy works with Dovecot 2.3.18 to 2.3.21 and 2.4])])
	AC_SUBST([DOVECOT_VERSION])
	AM_CONDITIONAL([DOVECOT_2_4], [test "x$dovecot_2_4" = xyes])

	AC_ARG_WITH([service-config],
		[AS_HELP_STRING([--with-service-config=FILE], [the service's settings file, unless Dovecot's configuration names another one (default: /etc/dovecot/pop3-policy.conf.ext; Dovecot 2.4 only)])],
		[service_config="$withval"],
		[service_config=/etc/dovecot/pop3-policy.conf.ext])
	AS_CASE([$service_config], [/*], [],
		[AC_MSG_ERROR([--with-service-config=$service_config: an absolute path is needed])])
	AC_SUBST([service_config])

	dnl Our warnings are for our code, not for Dovecot's headers.
	LIBDOVECOT_INCLUDE=`echo "$LIBDOVECOT_INCLUDE" | $SED 's/-I/-isystem /g'`
	LIBDOVECOT_STORAGE_INCLUDE=`echo "$LIBDOVECOT_STORAGE_INCLUDE" | $SED 's/-I/-isystem /g'`
	LIBDOVECOT_LOGIN_INCLUDE=`echo "$LIBDOVECOT_LOGIN_INCLUDE" | $SED 's/-I/-isystem /g'`
	LIBDOVECOT_POP3_INCLUDE=`echo "$LIBDOVECOT_POP3_INCLUDE" | $SED 's/-I/-isystem /g'`
])

dnl POP3_POLICY_LIBS
dnl ----------------
dnl The libraries that the service, and nothing else, is linked with.
dnl Substitutes LIBPQ_CFLAGS, LIBPQ_LIBS, LIBCRYPTO_CFLAGS, LIBCRYPTO_LIBS.
AC_DEFUN([POP3_POLICY_LIBS],[
	PKG_CHECK_MODULES([LIBPQ], [libpq >= 14], [],
		[AC_MSG_ERROR([libpq 14 or newer was not found, whose pipeline mode the service needs (Debian: apt-get install libpq-dev)])])
	PKG_CHECK_MODULES([LIBCRYPTO], [libcrypto >= 3.0], [],
		[AC_MSG_ERROR([OpenSSL 3.0 or newer was not found (Debian: apt-get install libssl-dev)])])
	libpq_version=`$PKG_CONFIG --modversion libpq`
	libcrypto_version=`$PKG_CONFIG --modversion libcrypto`
])

dnl POP3_POLICY_TEST_TOOLS
dnl ----------------------
dnl What only `make check' uses: a Python with pytest and psycopg2. Its lack is
dnl reported by the check, so that it is not needed to build.
AC_DEFUN([POP3_POLICY_TEST_TOOLS],[
	AC_ARG_VAR([PYTHON], [Python 3 with pytest and psycopg2, for the tests])
	AC_MSG_CHECKING([for a Python with pytest and psycopg2])
	found=
	for python in "$PYTHON" python3 /usr/bin/python3; do
		AS_IF([test "x$found" = x && test "x$python" != x &&
		       "$python" -c 'import pytest, psycopg2' >/dev/null 2>&1],
			[found="$python"])
	done
	PYTHON="$found"
	AS_IF([test "x$PYTHON" = x],
		[AC_MSG_RESULT([none, make check will need one (Debian: apt-get install python3-pytest python3-psycopg2)])
		 PYTHON=python3],
		[AC_MSG_RESULT([$PYTHON])])
])

dnl POP3_POLICY_FLAGS
dnl -----------------
dnl Compiler flags for all of our code. Comes last, so that no check is run
dnl with them.
AC_DEFUN([POP3_POLICY_FLAGS],[
	AC_ARG_ENABLE([werror],
		[AS_HELP_STRING([--enable-werror], [treat warnings as errors (default: no)])],
		[], [enable_werror=no])
	AC_ARG_ENABLE([asan],
		[AS_HELP_STRING([--enable-asan], [build with the address and undefined behaviour sanitizers (default: no)])],
		[], [enable_asan=no])

	dnl The headers of Dovecot 2.3 are not written for -Wsign-compare and
	dnl -Wunused-parameter of -Wextra; Dovecot silences the latter with
	dnl ATTR_UNUSED, which we do as well.
	warnings="-Wall -Wextra -Wshadow -Wstrict-prototypes -Wwrite-strings -Wundef -Wvla"
	AS_IF([test "x$enable_werror" = xyes], [warnings="$warnings -Werror"])

	AS_IF([test "x$enable_asan" = xyes], [
		sanitize="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
		AC_MSG_CHECKING([whether $CC takes $sanitize])
		old_CFLAGS="$CFLAGS"
		CFLAGS="$CFLAGS $sanitize"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([])], [AC_MSG_RESULT([yes])],
			[AC_MSG_RESULT([no])
			 AC_MSG_ERROR([$CC has no address and undefined behaviour sanitizers (Debian: they are part of gcc)])])
		dnl The sanitizers replace what _FORTIFY_SOURCE would check.
		CFLAGS="$old_CFLAGS $sanitize -U_FORTIFY_SOURCE -g -O1"
		LDFLAGS="$LDFLAGS $sanitize"
	])
	dnl All of our code tells libFuzzer which ways it goes; what is fuzzed is
	dnl linked with it (tests/fuzz).
	AC_ARG_ENABLE([fuzzing],
		[AS_HELP_STRING([--enable-fuzzing], [build for fuzzing, with sanitizers; needs clang (default: no)])],
		[], [enable_fuzzing=no])
	AS_IF([test "x$enable_fuzzing" = xyes], [
		sanitize="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
		AC_MSG_CHECKING([whether $CC takes $sanitize])
		old_CFLAGS="$CFLAGS"
		CFLAGS="$CFLAGS $sanitize"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([])], [AC_MSG_RESULT([yes])],
			[AC_MSG_RESULT([no])
			 AC_MSG_ERROR([$CC has no libFuzzer: configure CC=clang (Debian: apt-get install clang libclang-rt-dev)])])
		CFLAGS="$old_CFLAGS $sanitize -U_FORTIFY_SOURCE -g -O1"
		LDFLAGS="$LDFLAGS $sanitize"
	])
	AM_CONDITIONAL([FUZZING], [test "x$enable_fuzzing" = xyes])

	dnl DC_DOVECOT asks for the C standard of Dovecot's own sources.
	CFLAGS=`echo "$CFLAGS $warnings" | $SED 's/-std=gnu99/-std=gnu11/g'`

	AC_SUBST([enable_asan])
	AM_CONDITIONAL([ASAN], [test "x$enable_asan" = xyes])
])
