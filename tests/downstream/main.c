#include <stdio.h>

#include "cells.h"

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    printf("%.4f\n", u_after_one_step(argv[1], 0.1));
    return 0;
}
