namespace Levee.Silo;

/// <summary>A silo in a pod.</summary>
internal static partial class SiloHost
{
    static partial void UseKubernetes(ISiloBuilder silo, ref bool isBuiltIn)
    {
        silo.UseKubernetesHosting();
        isBuiltIn = true;
    }
}
